//! The builder's extra dimension for inner products.

/// Relative spread of norms below which inner product and L2 order the same way, so that the builder needs no
/// extra dimension.
const NORM_SPREAD_MIN: f64 = 1e-3;
/// Coordinates that the extra dimension is spread over, because its values exceed one int8.
pub(super) const FILL_CODES: usize = 64;

/// The extra dimension that gives all rows the same norm, so that L2 distances order them as inner products do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fill {
    /// The norm that all get.
    pub(super) norm_max: f64,
    /// Half of the range of its values: they are stored relative to the middle.
    middle: f64,
}

impl Fill {
    /// The dimension for rows with norms in this range, unless they are as good as equal.
    pub(super) fn new((norm_min, norm_max): (f64, f64)) -> Option<Self> {
        let largest = (norm_max * norm_max - norm_min * norm_min).max(0.0).sqrt();
        let is_wanted = norm_max - norm_min > NORM_SPREAD_MIN * norm_max;
        is_wanted.then_some(Self { norm_max, middle: largest / 2.0 })
    }

    /// The largest scale of int8 codes at which no value is clipped.
    pub(super) fn byte_scale_max(&self) -> f32 {
        (127.0 * (FILL_CODES as f64).sqrt() / self.middle.max(f64::MIN_POSITIVE)) as f32
    }

    /// Writes the value of a row with this norm as coordinates with the same squared length. Fractions become a
    /// pattern of neighboring integers.
    pub(super) fn write(&self, norm: f64, byte_scale: f32, bytes: &mut [i8]) {
        let value = (self.norm_max * self.norm_max - norm * norm).max(0.0).sqrt() - self.middle;
        let total = value * f64::from(byte_scale) * (FILL_CODES as f64).sqrt();
        let each = (total / FILL_CODES as f64).floor();
        let ups = (total - each * FILL_CODES as f64).round() as usize;
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = (each + f64::from(u8::from(at < ups))).clamp(-127.0, 127.0) as i8;
        }
    }
}
