//! Properties of trained lists: sizes, error, determinism, odd inputs.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::{Assigner, Centroids, Nearest, Params, train, working_bytes};
use crate::build::{BuildError, Control, Phase, mix};
use crate::generated::Data;

impl Data {
    /// Rows about `clusters` centres; `cluster` chooses the centre of a row.
    fn in_clusters(count: usize, clusters: u64, cluster: impl Fn(u64) -> u64) -> Self {
        Self::new(count, 64, |row, column| {
            let centre = mix(mix(1, cluster(mix(2, row)) % clusters), column) % 120;
            let offset = mix(mix(3, row), column) % 61;
            (centre as i64 + offset as i64 - 90) as i8
        })
    }
}

fn train_on(data: &Data, lists: usize, threads: usize) -> Centroids {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| train(&data.rows(), &Params { lists, seed: 7 }, &Control::default())).unwrap()
}

fn assign(data: &Data, assigner: &Assigner) -> Vec<Nearest> {
    let mut nearest = vec![Nearest::default(); data.rows().count];
    assigner.assign(&data.codes, &mut nearest, &Control::default()).unwrap();
    nearest
}

fn sizes(nearest: &[Nearest], count: usize) -> Vec<usize> {
    let mut sizes = vec![0; count];
    nearest.iter().for_each(|nearest| sizes[nearest.list as usize] += 1);
    sizes
}

fn squared(row: &[i8], centroid: &[f32]) -> f64 {
    row.iter().zip(centroid).map(|(&x, &c)| (f64::from(x) - f64::from(c)).powi(2)).sum()
}

/// Mean squared distance to the centroids of the assigned lists.
fn error(data: &Data, centroids: &Centroids, nearest: &[Nearest]) -> f64 {
    let distances =
        (0..nearest.len()).map(|row| squared(data.row(row), centroids.list(nearest[row].list as usize)));
    distances.sum::<f64>() / nearest.len() as f64
}

/// The same of plain k-means.
fn plain_error(data: &Data, lists: usize) -> f64 {
    let (count, dim) = (data.rows().count, data.dim);
    let first =
        (0..lists).flat_map(|list| data.row(list * count / lists)).map(|&code| f32::from(code)).collect();
    let one_group =
        |values| Centroids::from_parts(dim, values, vec![0.0; dim], vec![0, lists as u32]).unwrap();
    let mut centroids = one_group(first);
    for _ in 0..15 {
        let nearest = assign(data, &Assigner::new(&centroids));
        let sizes = sizes(&nearest, lists);
        let mut values = centroids.lists().to_vec();
        for (list, mean) in values.chunks_exact_mut(dim).enumerate().filter(|&(list, _)| sizes[list] > 0) {
            mean.fill(0.0);
            for row in (0..count).filter(|&row| nearest[row].list as usize == list) {
                mean.iter_mut().zip(data.row(row)).for_each(|(mean, &code)| *mean += f32::from(code));
            }
            mean.iter_mut().for_each(|mean| *mean /= sizes[list] as f32);
        }
        centroids = one_group(values);
    }
    error(data, &centroids, &assign(data, &Assigner::new(&centroids)))
}

/// Checks what holds for all lists: the number, the form, rows in every list, rows in their groups' nearest list.
fn check(data: &Data, lists: usize, centroids: &Centroids) {
    assert!(centroids.count() <= lists.max(1));
    assert_eq!(centroids.lists().len(), centroids.count() * data.dim);
    assert!(centroids.lists().iter().chain(centroids.groups()).all(|x| x.abs() <= 128.0));
    assert!(centroids.offsets().is_sorted_by(|a, b| a < b), "no group is empty");
    let nearest = assign(data, &Assigner::new(centroids));
    assert!(sizes(&nearest, centroids.count()).iter().all(|&size| size > 0), "no list is empty");
    let parts = Centroids::from_parts(
        data.dim,
        centroids.lists().to_vec(),
        centroids.groups().to_vec(),
        centroids.offsets().to_vec(),
    );
    assert_eq!(parts.as_ref(), Some(centroids));
    assert_eq!(assign(data, &Assigner::new(&parts.unwrap())), nearest);
}

#[test]
fn few_rows() {
    for count in [0, 1, 2, 3, 17, 100] {
        let data = Data::in_clusters(count, 10, |row| row);
        for lists in [0, 1, 2, 16, 99, 1000] {
            let centroids = train_on(&data, lists, 2);
            check(&data, lists, &centroids);
            assert_eq!(centroids.count() == 0, count == 0);
            if lists >= count && count > 0 {
                assert_eq!(centroids.count(), count, "each row has a list");
                let nearest = assign(&data, &Assigner::with_probes(&centroids, usize::MAX));
                assert_eq!(error(&data, &centroids, &nearest), 0.0);
            }
        }
    }
}

#[test]
fn equal_rows_have_one_list() {
    for count in [2, 33, 5000] {
        let data = Data::new(count, 64, |_, column| column as i8);
        let centroids = train_on(&data, 20, 2);
        check(&data, 20, &centroids);
        assert_eq!(centroids.count(), 1);
        assert!(centroids.list(0).iter().zip(0..).all(|(&x, column)| x == column as f32));
    }
}

#[test]
fn half_of_the_rows_equal() {
    let others = Data::in_clusters(10_000, 50, |row| row);
    let data =
        Data::new(
            20_000,
            64,
            |row, column| {
                if row % 2 == 0 { 5 } else { others.codes[(row / 2 * 64 + column) as usize] }
            },
        );
    let centroids = train_on(&data, 100, 2);
    check(&data, 100, &centroids);
    assert!(centroids.count() >= 95, "{} lists", centroids.count());
    let mut sizes = sizes(&assign(&data, &Assigner::new(&centroids)), centroids.count());
    sizes.sort_unstable();
    assert!(sizes[sizes.len() - 1] >= 10_000);
    // Of what is divisible: 100 rows for each list.
    assert!(sizes[sizes.len() - 2] <= 300, "{:?}", &sizes[sizes.len() - 5..]);
}

#[test]
fn equal_for_any_number_of_threads() {
    let data = Data::in_clusters(20_000, 300, |row| row);
    let one = train_on(&data, 200, 1);
    assert_eq!(one, train_on(&data, 200, 2));
    assert_eq!(one, train_on(&data, 200, 5));
    let other = train(&data.rows(), &Params { lists: 200, seed: 8 }, &Control::default()).unwrap();
    assert_ne!(one, other, "the seed matters");
}

#[test]
fn cancelling_stops() {
    let data = Data::in_clusters(3000, 10, |row| row);
    let control = Control::default();
    let centroids = train(&data.rows(), &Params { lists: 30, seed: 1 }, &control).unwrap();
    assert_eq!(control.phase.load(Ordering::Relaxed), Phase::Means as u32);
    assert_eq!(control.done.load(Ordering::Relaxed), control.total.load(Ordering::Relaxed));
    control.cancel.store(true, Ordering::Relaxed);
    let params = Params { lists: 30, seed: 1 };
    assert_eq!(train(&data.rows(), &params, &control), Err(BuildError::Cancelled));
    let assigner = Assigner::new(&centroids);
    assert_eq!(assigner.assign_all(&data.rows(), &control), Err(BuildError::Cancelled));
}

#[test]
fn cancelling_stops_in_the_middle() {
    let data = Data::in_clusters(60_000, 1000, |row| row);
    let control = Control::default();
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while control.done.load(Ordering::Relaxed) == 0
                || control.phase.load(Ordering::Relaxed) != Phase::Means as u32
            {
                std::thread::yield_now();
            }
            control.cancel.store(true, Ordering::Relaxed);
        });
        train(&data.rows(), &Params { lists: 1000, seed: 1 }, &control)
    });
    assert_eq!(result, Err(BuildError::Cancelled));
    assert!(control.done.load(Ordering::Relaxed) < control.total.load(Ordering::Relaxed));
}

#[test]
fn sizes_are_even() {
    // Clusters of very different sizes, and a dense one that has half of the rows.
    let skewed = Data::in_clusters(40_000, 400, |hash| (hash % 400) * (mix(5, hash) % 400) / 400);
    let dense = Data::new(40_000, 64, |row, column| {
        let spread = if row % 2 == 0 { 3 } else { 120 };
        (mix(mix(4, row), column) % (2 * spread + 1)) as i8 - spread as i8
    });
    for (name, data) in [("skewed", skewed), ("dense", dense)] {
        let centroids = train_on(&data, 200, 2);
        check(&data, 200, &centroids);
        let largest = sizes(&assign(&data, &Assigner::new(&centroids)), 200).into_iter().max().unwrap();
        assert!(largest <= 500, "{name}: {largest} rows in a list, 200 on average");
    }
}

#[test]
fn error_is_that_of_plain_k_means() {
    for (clusters, lists) in [(100, 100), (1000, 150), (2000, 400)] {
        let data = Data::in_clusters(20_000, clusters, |row| row);
        let centroids = train_on(&data, lists, 2);
        let ours = error(&data, &centroids, &assign(&data, &Assigner::new(&centroids)));
        let plain = plain_error(&data, lists);
        assert!(ours <= 1.03 * plain, "{clusters} clusters, {lists} lists: {ours}, plain k-means {plain}");
    }
}

#[test]
fn two_levels_find_the_nearest() {
    let data = Data::in_clusters(20_000, 500, |row| row);
    let centroids = train_on(&data, 400, 2);
    assert!(centroids.offsets().len() > 17, "more groups than a row looks into");
    let found = assign(&data, &Assigner::new(&centroids));
    let exact = assign(&data, &Assigner::with_probes(&centroids, usize::MAX));
    for (row, exact) in exact.iter().enumerate().step_by(37) {
        let codes = super::centroids::to_codes(centroids.lists());
        let distance = |list: usize| {
            let pairs = data.row(row).iter().zip(&codes[list * 64..]);
            pairs.map(|(&a, &b)| (i32::from(a) - i32::from(b)).pow(2) as u32).sum::<u32>()
        };
        let nearest = (0..centroids.count()).map(|list| (distance(list), list as u32)).min().unwrap();
        assert_eq!((exact.distance, exact.list), nearest);
    }
    let same = found.iter().zip(&exact).filter(|(a, b)| a == b).count();
    assert!(same >= 19_000, "{same} of 20000 rows in their nearest list");
    assert!(found.iter().zip(&exact).all(|(found, exact)| found >= exact));
    let pooled = Assigner::new(&centroids).assign_all(&data.rows(), &Control::default()).unwrap();
    assert_eq!(pooled, found);
}

#[test]
fn parts_that_do_not_fit() {
    let fits = |dim, lists: usize, groups: usize, offsets: &[u32]| {
        Centroids::from_parts(dim, vec![0.0; lists], vec![0.0; groups], offsets.to_vec()).is_some()
    };
    assert!(fits(64, 192, 128, &[0, 1, 3]));
    assert!(fits(64, 0, 0, &[0]));
    for (dim, lists, groups, offsets) in [
        (63, 189, 126, &[0, 1, 3][..]),
        (0, 0, 0, &[0]),
        (64, 192, 64, &[0, 1, 3]),
        (64, 128, 128, &[0, 1, 3]),
        (64, 192, 128, &[1, 1, 3]),
        (64, 192, 128, &[0, 4, 3]),
        (64, 0, 0, &[]),
        (1 << 20, 0, 0, &[0]),
    ] {
        assert!(!fits(dim, lists, groups, offsets), "{dim} {lists} {groups} {offsets:?}");
    }
}

#[test]
fn values_beyond_codes_count_as_the_ends() {
    let lists: Vec<f32> = [f32::INFINITY, -1e9].iter().flat_map(|&x| vec![x; 64]).collect();
    let centroids = Centroids::from_parts(64, lists, vec![0.0; 64], vec![0, 2]).unwrap();
    let mut nearest = [Nearest::default(); 2];
    let codes: Vec<i8> = [100i8, -100].iter().flat_map(|&x| vec![x; 64]).collect();
    Assigner::new(&centroids).assign(&codes, &mut nearest, &Control::default()).unwrap();
    assert_eq!(nearest, [Nearest { distance: 64 * 729, list: 0 }, Nearest { distance: 64 * 729, list: 1 }]);
}

#[test]
fn working_bytes_grow_with_rows_and_lists() {
    let bytes = |count, dim, lists| working_bytes(count, dim, &Params { lists, seed: 1 });
    assert!(bytes(100_000, 384, 100) < bytes(200_000, 384, 100));
    assert!(bytes(100_000, 384, 100) < bytes(100_000, 384, 200));
    assert!(bytes(100_000, 384, 100) < bytes(100_000, 768, 100));
    let sample = bytes(262_144, 768, 4096);
    assert!((50_000_000..120_000_000).contains(&sample), "{sample} bytes for 4096 lists");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Small sets with many copies and few distinct values.
    #[test]
    fn any_small_set(count in 0usize..300, values in 1u64..5, latent in 1u64..6, lists in 0usize..80, seed: u64) {
        let data = Data::new(count, 64, |row, column| {
            if column < latent { (mix(mix(seed, row), column) % values) as i8 } else { 0 }
        });
        let centroids = train(&data.rows(), &Params { lists, seed }, &Control::default()).unwrap();
        check(&data, lists, &centroids);
    }
}
