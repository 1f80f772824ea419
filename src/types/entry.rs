//! The C functions behind the SQL names.
//!
//! The symbols are pgvector's, so that functions declared for its library find them in this one. They are regular: what
//! only one type has begins with the type's name (`vector_add`); what several have (`l2_distance`) begins with the
//! type's name except for `vector`, which was there first.

use half::f16;

use super::{bit, dense, sparse};
use crate::error::TypeError;
use crate::sql_functions;

/// What every type has: `module`, and its parameter if it is generic; name, prefix of shared names, name of the norm.
macro_rules! all_types {
    ($module:ident $(<$element:ty>)?, $name:literal, $shared:literal, $norm:literal) => {
        sql_functions! {
            concat!($name, "_in") => $module::io::input $(::<$element>)?;
            concat!($name, "_out") => $module::io::output $(::<$element>)?;
            concat!($name, "_typmod_in") => $module::io::typmod_in $(::<$element>)?;
            concat!($name, "_recv") => $module::io::receive $(::<$element>)?;
            concat!($name, "_send") => $module::io::send $(::<$element>)?;

            concat!($shared, "l2_distance") => $module::ops::l2_distance $(::<$element>)?;
            concat!($shared, "inner_product") => $module::ops::inner_product $(::<$element>)?;
            concat!($shared, "cosine_distance") => $module::ops::cosine_distance $(::<$element>)?;
            concat!($shared, "l1_distance") => $module::ops::l1_distance $(::<$element>)?;
            concat!($shared, "l2_normalize") => $module::ops::normalize $(::<$element>)?;
            $norm => $module::ops::norm $(::<$element>)?;
            concat!($name, "_l2_squared_distance") => $module::ops::l2_squared_distance $(::<$element>)?;
            concat!($name, "_negative_inner_product") => $module::ops::negative_inner_product $(::<$element>)?;

            concat!($name, "_lt") => |call| Ok($module::ops::compare $(::<$element>)? (call)?.is_lt());
            concat!($name, "_le") => |call| Ok($module::ops::compare $(::<$element>)? (call)?.is_le());
            concat!($name, "_eq") => |call| Ok($module::ops::compare $(::<$element>)? (call)?.is_eq());
            concat!($name, "_ne") => |call| Ok($module::ops::compare $(::<$element>)? (call)?.is_ne());
            concat!($name, "_ge") => |call| Ok($module::ops::compare $(::<$element>)? (call)?.is_ge());
            concat!($name, "_gt") => |call| Ok($module::ops::compare $(::<$element>)? (call)?.is_gt());
            concat!($name, "_cmp") => |call| Ok($module::ops::compare $(::<$element>)? (call)? as i32);

            $name => $module::cast::to_typmod $(::<$element>)?;
            concat!("array_to_", $name) => $module::cast::from_array $(::<$element>)?;
        }
    };
}

/// What dense types have besides: element, name, prefix of shared names.
macro_rules! dense_types {
    ($element:ty, $name:literal, $shared:literal) => {
        sql_functions! {
            concat!($shared, "vector_dims") => dense::ops::dims::<$element>;
            concat!($shared, "binary_quantize") => dense::ops::binary_quantize::<$element>;
            concat!($shared, "subvector") => dense::ops::subvector::<$element>;
            concat!($name, "_spherical_distance") => dense::ops::spherical_distance::<$element>;
            concat!($name, "_add") => dense::ops::add::<$element>;
            concat!($name, "_sub") => dense::ops::sub::<$element>;
            concat!($name, "_mul") => dense::ops::mul::<$element>;
            concat!($name, "_concat") => dense::ops::concat::<$element>;
            concat!($name, "_accum") => dense::aggregate::accumulate::<$element>;
            concat!($name, "_avg") => dense::aggregate::average::<$element>;
            concat!($name, "_to_float4") => dense::cast::to_float4::<$element>;
            concat!($name, "_to_sparsevec") => sparse::cast::from_dense::<$element>;
            concat!("sparsevec_to_", $name) => sparse::cast::to_dense::<$element>;
        }
    };
}

/// Support functions that pgvector's access methods call, and ours have no use for.
macro_rules! support_functions {
    ($($name:ident)+) => {
        sql_functions! {
            $($name = |_| -> Result<i32, _> {
                Err(TypeError::SupportFunction { function: stringify!($name) })
            };)+
        }
    };
}

all_types! { dense<f32>, "vector", "", "vector_norm" }
all_types! { dense<f16>, "halfvec", "halfvec_", "halfvec_l2_norm" }
all_types! { sparse, "sparsevec", "sparsevec_", "sparsevec_l2_norm" }
dense_types! { f32, "vector", "" }
dense_types! { f16, "halfvec", "halfvec_" }

sql_functions! {
    /// The SQL function `halfvec_combine` is this one, too.
    vector_combine = dense::aggregate::combine;
    vector_to_halfvec = dense::cast::to_dense::<f32, f16>;
    halfvec_to_vector = dense::cast::to_dense::<f16, f32>;
    hamming_distance = bit::hamming_distance;
    jaccard_distance = bit::jaccard_distance;
}

support_functions! {
    hnsw_halfvec_support hnsw_bit_support hnsw_sparsevec_support
    ivfflat_halfvec_support ivfflat_bit_support
}
