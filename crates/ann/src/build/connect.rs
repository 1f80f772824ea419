//! What no path from the first seed reaches is attached.
//!
//! A breadth-first tree from the first seed proves what is reached. An edge that is not in the tree can be
//! given up without losing anything, and a row without children in the tree has only such edges, so a place
//! always exists.

use std::sync::atomic::Ordering;

use super::partition::Site;
use super::reservoir::filled;
use super::walk::best_first;
use super::{BuildError, Phase, Space};

/// Rows looked at when none of a row's own neighbours can lead to it.
const EF: usize = 64;

/// Not reached yet.
const NONE: u32 = u32::MAX;

/// Rows between two looks at the cancel flag.
const CHECK_ROWS: usize = 4096;

/// The neighbours of each row, nearest first, in places of `degree`.
pub(super) struct Links {
    neighbors: Vec<u32>,
    degrees: Vec<u32>,
    degree: usize,
}

impl Links {
    /// Neighbours of `position`, nearest first.
    pub fn of(&self, position: usize) -> &[u32] {
        &self.neighbors[position * self.degree..][..self.degrees[position] as usize]
    }

    /// Number of all edges.
    pub fn edges(&self) -> usize {
        self.degrees.iter().map(|&degree| degree as usize).sum()
    }
}

/// Links from `lists` (rows x `effort.near` keys), with every row reachable from `seeds[0]`.
///
/// `room`: the largest number of neighbours of a position, at least two.
pub(super) fn connect(
    site: &Site<'_>,
    lists: Vec<u64>,
    seeds: &[u32],
    room: &dyn Fn(usize) -> usize,
) -> Result<Links, BuildError> {
    let (count, degree) = (site.rows.count, site.effort.degree);
    site.control.enter(Phase::Connect, count as u64)?;
    let mut links = Links { neighbors: vec![0; count * degree], degrees: vec![0; count], degree };
    for (position, list) in lists.chunks_exact(site.effort.near).enumerate() {
        if position % CHECK_ROWS == 0 {
            site.control.check()?;
        }
        let keys = filled(list);
        let keys = &keys[..keys.len().min(room(position))];
        links.degrees[position] = keys.len() as u32;
        for (slot, &key) in links.neighbors[position * degree..].iter_mut().zip(keys) {
            *slot = key as u32;
        }
    }
    drop(lists);
    let mut repair = Repair { site, links, parent: vec![NONE; count], queue: Vec::new(), room, seeds };
    repair.reach(seeds[0], seeds[0])?;
    for position in 0..count as u32 {
        if repair.parent[position as usize] == NONE {
            repair.attach(position)?;
        }
    }
    Ok(repair.links)
}

struct Repair<'a> {
    site: &'a Site<'a>,
    links: Links,
    /// Parent in the tree; the root is its own.
    parent: Vec<u32>,
    queue: Vec<u32>,
    room: &'a dyn Fn(usize) -> usize,
    seeds: &'a [u32],
}

impl Repair<'_> {
    /// Adds `position` and all it leads to to the tree.
    fn reach(&mut self, position: u32, parent: u32) -> Result<(), BuildError> {
        self.parent[position as usize] = parent;
        self.queue.clear();
        self.queue.push(position);
        let mut next = 0;
        while next < self.queue.len() {
            let source = self.queue[next];
            next += 1;
            if next % CHECK_ROWS == 0 {
                self.site.control.check()?;
            }
            for &target in self.links.of(source as usize) {
                if self.parent[target as usize] == NONE {
                    self.parent[target as usize] = source;
                    self.queue.push(target);
                }
            }
        }
        self.site.control.done.fetch_add(next as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Makes an unreached position reachable: from the nearest reached row that can take an edge.
    fn attach(&mut self, position: u32) -> Result<(), BuildError> {
        self.site.control.check()?;
        let own = self.links.of(position as usize).iter().copied();
        let own: Vec<u32> = own.filter(|&other| self.parent[other as usize] != NONE).collect();
        if let Some(source) = own.into_iter().find(|&source| self.link(source, position)) {
            return self.reach(position, source);
        }
        let found = best_first(
            |at| self.links.of(at as usize),
            |other| self.distance(position, other),
            self.seeds_reached(),
            EF,
        );
        let near = found.into_iter().map(|(_, other)| other);
        // Some reached row can always take an edge, so one of all positions will.
        let source = near
            .chain(0..self.parent.len() as u32)
            .find(|&source| self.parent[source as usize] != NONE && self.link(source, position));
        if let Some(source) = source {
            // The way back, so that the two sides know each other.
            self.link(position, source);
            self.reach(position, source)?;
        }
        Ok(())
    }

    fn seeds_reached(&self) -> &[u32] {
        &self.seeds[..1]
    }

    /// Adds the edge if `source` has room or an edge outside the tree to give up: the farthest of these.
    fn link(&mut self, source: u32, target: u32) -> bool {
        let at = source as usize;
        let (start, length) = (at * self.links.degree, self.links.degrees[at] as usize);
        if length >= (self.room)(at) {
            let spare = |&place: &usize| self.parent[self.links.neighbors[start + place] as usize] != source;
            let Some(place) = (0..length).rev().find(spare) else {
                return false;
            };
            self.links.neighbors.copy_within(start + place + 1..start + length, start + place);
            self.links.degrees[at] -= 1;
        }
        let length = self.links.degrees[at] as usize;
        let distance = self.distance(source, target);
        let nearer = |&&other: &&u32| self.distance(source, other) <= distance;
        let place = self.links.of(at).iter().take_while(nearer).count();
        self.links.neighbors.copy_within(start + place..start + length, start + place + 1);
        self.links.neighbors[start + place] = target;
        self.links.degrees[at] += 1;
        true
    }

    fn distance(&self, a: u32, b: u32) -> u32 {
        let pairs = self.site.rows.row(a).iter().zip(self.site.rows.row(b));
        let differences = pairs.map(|(&a, &b)| i32::from(a).abs_diff(i32::from(b)));
        match self.site.space {
            Space::L2 => differences.map(|d| d * d).sum(),
            Space::L1 => differences.sum(),
        }
    }
}
