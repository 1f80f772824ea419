//! Random numbers that are functions of a number: SplitMix64 (Steele, Lea and Flood 2014).

use std::f32::consts::TAU;

/// A random number from another one.
pub fn mixed(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Independent normal numbers with mean 0 and variance 1, two from each random one (Box and Muller 1958).
pub fn normals(state: &mut u64, out: &mut [f32]) {
    for pair in out.chunks_mut(2) {
        *state = mixed(*state);
        // 24 bits each: what a float tells apart. The first is never 0, which has no logarithm.
        let [length, angle] =
            [*state >> 40, (*state >> 8) & 0xff_ffff].map(|bits| bits as f32 / (1 << 24) as f32);
        let length = (-2.0 * (length + 0.5 / (1 << 24) as f32).ln()).sqrt();
        let (sine, cosine) = (TAU * angle).sin_cos();
        pair.iter_mut().zip([cosine, sine]).for_each(|(out, part)| *out = length * part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_are_normal() {
        let (mut state, mut values) = (1, vec![0.0; 100_001]);
        normals(&mut state, &mut values);
        let mean = |power: i32| {
            values.iter().map(|&value| f64::from(value).powi(power)).sum::<f64>() / values.len() as f64
        };
        // Moments of the normal distribution, within five standard errors or more.
        for (power, moment, error) in [(1, 0.0, 0.016), (2, 1.0, 0.023), (3, 0.0, 0.062), (4, 3.0, 0.16)] {
            assert!((mean(power) - moment).abs() < error, "moment {power} is {}", mean(power));
        }
        let neighbours = values.windows(2).map(|pair| f64::from(pair[0] * pair[1])).sum::<f64>();
        assert!((neighbours / values.len() as f64).abs() < 0.016);
    }
}
