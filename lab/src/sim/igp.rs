//! A test IGP: shortest paths over the core's links, known to all routers at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An edge between two routers, alike in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// One router.
    pub a: usize,
    /// The other.
    pub b: usize,
    /// Cost of crossing it, at least 1.
    pub metric: u32,
    /// Whether it is usable.
    pub up: bool,
}

/// The way to a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The first edge.
    pub edge: usize,
    /// The router at its other end.
    pub next: usize,
    /// The sum of metrics.
    pub metric: u32,
}

/// Shortest paths from one router to each (Dijkstra); `None` for itself and for those out of reach. Of equal paths the one
/// with the lower first edge is taken.
#[must_use]
pub fn shortest_paths(routers: usize, edges: &[Edge], from: usize) -> Vec<Option<Path>> {
    let mut best: Vec<Option<Path>> = vec![None; routers];
    let mut done = vec![false; routers];
    // Metric, first edge, router, router after the first edge.
    let mut open = BinaryHeap::from([Reverse((0u32, 0usize, from, from))]);
    while let Some(Reverse((metric, first, at, next))) = open.pop() {
        if std::mem::replace(&mut done[at], true) {
            continue;
        }
        if at != from {
            best[at] = Some(Path { edge: first, next, metric });
        }
        for (number, edge) in edges.iter().enumerate().filter(|(_, e)| e.up) {
            let to = match at {
                at if at == edge.a => edge.b,
                at if at == edge.b => edge.a,
                _ => continue,
            };
            if !done[to] {
                let (first, next) = if at == from { (number, to) } else { (first, next) };
                open.push(Reverse((metric.saturating_add(edge.metric), first, to, next)));
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::rng::Rng;

    fn edge(a: usize, b: usize, metric: u32) -> Edge {
        Edge { a, b, metric, up: true }
    }

    #[test]
    fn the_shorter_way_wins_and_ties_go_to_the_lower_edge() {
        let mut edges = vec![edge(0, 1, 1), edge(0, 2, 1), edge(1, 3, 1), edge(2, 3, 1), edge(0, 3, 5)];
        assert_eq!(shortest_paths(4, &edges, 0)[3], Some(Path { edge: 0, next: 1, metric: 2 }));
        edges[2].up = false;
        assert_eq!(shortest_paths(4, &edges, 0)[3], Some(Path { edge: 1, next: 2, metric: 2 }));
        edges[3].up = false;
        assert_eq!(shortest_paths(4, &edges, 0)[3], Some(Path { edge: 4, next: 3, metric: 5 }));
        edges[4].up = false;
        assert_eq!(shortest_paths(4, &edges, 0)[3], None);
    }

    /// Hop by hop, every router's own choice leads to the destination, each hop nearer (no loops).
    #[test]
    fn hop_by_hop_choices_agree() {
        let mut rng = Rng::new(5);
        for _ in 0..50 {
            let n = 8;
            let edges: Vec<Edge> = (0..14)
                .map(|_| edge(rng.below(n) as usize, rng.below(n) as usize, 1 + rng.below(9) as u32))
                .filter(|e| e.a != e.b)
                .collect();
            let n = n as usize;
            let all: Vec<_> = (0..n).map(|from| shortest_paths(n, &edges, from)).collect();
            for from in 0..n {
                for to in (0..n).filter(|to| *to != from) {
                    let Some(path) = all[from][to] else {
                        assert_eq!(all[to][from], None);
                        continue;
                    };
                    assert_eq!(all[to][from].map(|p| p.metric), Some(path.metric));
                    let rest = if path.next == to { 0 } else { all[path.next][to].unwrap().metric };
                    assert_eq!(rest + edges[path.edge].metric, path.metric);
                }
            }
        }
    }
}
