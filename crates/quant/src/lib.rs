//! temporary
#![allow(missing_docs)]
pub mod rotation {
    use kernels::Kernels;
    pub struct Rotation { dim: usize, signs: Vec<Vec<f32>> }
    impl Rotation {
        pub fn new(dim: usize, seed: u64) -> Self {
            let mut s = seed;
            let signs = (0..4).map(|_| (0..dim).map(|_| { s = s.wrapping_add(0x9E3779B97F4A7C15); let mut z = s; z = (z ^ z >> 30).wrapping_mul(0xBF58476D1CE4E5B9); z = (z ^ z >> 27).wrapping_mul(0x94D049BB133111EB); if (z ^ z >> 31) & 1 == 0 { 1.0 } else { -1.0 } }).collect()).collect();
            Self { dim, signs }
        }
        pub fn identity(dim: usize) -> Self { Self { dim, signs: Vec::new() } }
        pub fn rotate(&self, x: &mut [f32]) {
            let w = 1usize << self.dim.ilog2();
            for (r, signs) in self.signs.iter().enumerate() {
                for (x, s) in x.iter_mut().zip(signs) { *x *= s; }
                let part = if r % 2 == 0 { &mut x[..w] } else { &mut x[self.dim - w..] };
                Kernels::get().hadamard(part);
                let scale = 1.0 / (w as f32).sqrt();
                part.iter_mut().for_each(|v| *v *= scale);
                if w != self.dim { kac(x); }
            }
        }
        pub fn inverse(&self, x: &mut [f32]) {
            let w = 1usize << self.dim.ilog2();
            for (r, signs) in self.signs.iter().enumerate().rev() {
                if w != self.dim { kac(x); }
                let part = if r % 2 == 0 { &mut x[..w] } else { &mut x[self.dim - w..] };
                Kernels::get().hadamard(part);
                let scale = 1.0 / (w as f32).sqrt();
                part.iter_mut().for_each(|v| *v *= scale);
                for (x, s) in x.iter_mut().zip(signs) { *x *= s; }
            }
        }
    }
    fn kac(x: &mut [f32]) { let h = x.len() / 2; let s = std::f32::consts::FRAC_1_SQRT_2; for i in 0..h { let (a, b) = (x[i], x[i + h]); x[i] = (a + b) * s; x[i + h] = (a - b) * s; } }
}
pub mod rabitq {
    #[derive(Default)]
    pub struct Lut { bytes: Vec<u8>, scale: f32, bias: f32 }
    impl Lut {
        pub fn new() -> Self { Self::default() }
        pub fn fill(&mut self, q: &[f32]) {
            let m = q.len() / 4;
            let sums: Vec<[f32; 16]> = (0..m).map(|k| { let mut t = [0f32; 16]; for (v, t) in t.iter_mut().enumerate() { for b in 0..4 { if v >> b & 1 == 1 { *t += q[4 * k + b]; } } } t }).collect();
            let lows: Vec<f32> = sums.iter().map(|t| t.iter().copied().fold(f32::MAX, f32::min)).collect();
            let range = sums.iter().zip(&lows).map(|(t, l)| t.iter().copied().fold(f32::MIN, f32::max) - l).fold(0.0, f32::max);
            let step = if range > 0.0 { 255.0 / range } else { 0.0 };
            self.bytes = sums.iter().zip(&lows).flat_map(|(t, l)| t.map(|v| ((v - l) * step).round() as u8)).collect();
            self.scale = range / 255.0;
            self.bias = lows.iter().sum::<f32>() - q.iter().sum::<f32>() / 2.0;
        }
        pub fn bytes(&self) -> &[u8] { &self.bytes }
        pub fn scale(&self) -> f32 { self.scale }
        pub fn bias(&self) -> f32 { self.bias }
    }
    pub struct Factors { pub norm2: f32, pub rescale: f32 }
    pub fn encode(r: &[f32], code: &mut [u8]) -> Factors {
        code.fill(0);
        let (mut n2, mut a) = (0f64, 0f64);
        for (i, &v) in r.iter().enumerate() { if v > 0.0 { code[i / 8] |= 1 << (i % 8); } n2 += f64::from(v) * f64::from(v); a += f64::from(v.abs()); }
        Factors { norm2: n2 as f32, rescale: if a > 0.0 { (2.0 * n2 / (a / 2.0)) as f32 } else { 0.0 } }
    }
    pub fn place(block: &mut [u8], lanes: usize, lane: usize, code: &[u8]) { for (j, &c) in code.iter().enumerate() { block[j * lanes + lane] = c; } }
    pub fn to_bf16(x: f32) -> u16 { let b = x.to_bits(); ((b + 0x7FFF + (b >> 16 & 1)) >> 16) as u16 }
}
pub mod self_code {
    pub use kernels::Encoding;
    pub struct SelfCode { pub scale: f32, pub error: f32, pub error_l1: f32 }
    pub fn code_bytes(e: Encoding, d: usize) -> usize { e.code_bytes(d) }
    pub fn encode(r: &[f32], e: Encoding, out: &mut [u8]) -> SelfCode {
        let max = r.iter().fold(0f32, |m, v| m.max(v.abs()));
        let scale = if max == 0.0 { 1.0 } else { match e { Encoding::F16 => 2f32.powi(max.log2().floor() as i32), Encoding::I8 => max / 127.0, Encoding::I4 => max / 7.5 } };
        for (i, &v) in r.iter().enumerate() {
            let x = v / scale;
            match e {
                Encoding::F16 => out[2 * i..2 * i + 2].copy_from_slice(&half::f16::from_f32(x).to_le_bytes()),
                Encoding::I8 => out[i] = x.round().clamp(-127.0, 127.0) as i8 as u8,
                Encoding::I4 => { let n = (x + 7.5).round().clamp(0.0, 15.0) as u8; if i % 2 == 0 { out[i / 2] = n } else { out[i / 2] |= n << 4 } }
            }
        }
        let mut dec = vec![0.0; r.len()];
        decode(out, e, scale, &mut dec);
        let (mut l2, mut l1) = (0f64, 0f64);
        for (a, b) in r.iter().zip(&dec) { let d = (f64::from(*a) - f64::from(*b)).abs(); l2 += d * d; l1 += d; }
        SelfCode { scale, error: (l2.sqrt() * 1.000001) as f32, error_l1: (l1 * 1.000001) as f32 }
    }
    pub fn decode(row: &[u8], e: Encoding, scale: f32, out: &mut [f32]) { kernels::Kernels::get().coded(e).decode(row, scale, out) }
}
