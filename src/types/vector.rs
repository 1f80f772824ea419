//! `vector`: single precision. The C functions behind the SQL names, under pgvector's symbols.

use super::dense::{aggregate, cast, io, ops};
use crate::sql_functions;

sql_functions! {
    /// `vector_in(cstring, oid, integer) -> vector`
    vector_in = io::input::<f32>;
    /// `vector_out(vector) -> cstring`
    vector_out = io::output::<f32>;
    /// `vector_typmod_in(cstring[]) -> integer`
    vector_typmod_in = io::typmod_in::<f32>;
    /// `vector_recv(internal, oid, integer) -> vector`
    vector_recv = io::receive::<f32>;
    /// `vector_send(vector) -> bytea`
    vector_send = io::send::<f32>;

    /// `l2_distance(vector, vector) -> double precision`
    l2_distance = ops::l2_distance::<f32>;
    /// `inner_product(vector, vector) -> double precision`
    inner_product = ops::inner_product::<f32>;
    /// `cosine_distance(vector, vector) -> double precision`
    cosine_distance = ops::cosine_distance::<f32>;
    /// `l1_distance(vector, vector) -> double precision`
    l1_distance = ops::l1_distance::<f32>;
    /// `vector_l2_squared_distance(vector, vector) -> double precision`
    vector_l2_squared_distance = ops::l2_squared_distance::<f32>;
    /// `vector_negative_inner_product(vector, vector) -> double precision`
    vector_negative_inner_product = ops::negative_inner_product::<f32>;
    /// `vector_spherical_distance(vector, vector) -> double precision`
    vector_spherical_distance = ops::spherical_distance::<f32>;

    /// `vector_dims(vector) -> integer`
    vector_dims = ops::dims::<f32>;
    /// `vector_norm(vector) -> double precision`
    vector_norm = ops::norm::<f32>;
    /// `l2_normalize(vector) -> vector`
    l2_normalize = ops::normalize::<f32>;
    /// `binary_quantize(vector) -> bit`
    binary_quantize = ops::binary_quantize::<f32>;
    /// `subvector(vector, integer, integer) -> vector`
    subvector = ops::subvector::<f32>;
    /// `vector_add(vector, vector) -> vector`
    vector_add = ops::add::<f32>;
    /// `vector_sub(vector, vector) -> vector`
    vector_sub = ops::sub::<f32>;
    /// `vector_mul(vector, vector) -> vector`
    vector_mul = ops::mul::<f32>;
    /// `vector_concat(vector, vector) -> vector`
    vector_concat = ops::concat::<f32>;

    /// `vector_lt(vector, vector) -> boolean`
    vector_lt = |call| Ok(ops::compare::<f32>(call)?.is_lt());
    /// `vector_le(vector, vector) -> boolean`
    vector_le = |call| Ok(ops::compare::<f32>(call)?.is_le());
    /// `vector_eq(vector, vector) -> boolean`
    vector_eq = |call| Ok(ops::compare::<f32>(call)?.is_eq());
    /// `vector_ne(vector, vector) -> boolean`
    vector_ne = |call| Ok(ops::compare::<f32>(call)?.is_ne());
    /// `vector_ge(vector, vector) -> boolean`
    vector_ge = |call| Ok(ops::compare::<f32>(call)?.is_ge());
    /// `vector_gt(vector, vector) -> boolean`
    vector_gt = |call| Ok(ops::compare::<f32>(call)?.is_gt());
    /// `vector_cmp(vector, vector) -> integer`
    vector_cmp = ops::cmp::<f32>;

    /// `vector_accum(double precision[], vector) -> double precision[]`
    vector_accum = aggregate::accumulate::<f32>;
    /// `vector_combine(double precision[], double precision[]) -> double precision[]`
    vector_combine = aggregate::combine::<f32>;
    /// `vector_avg(double precision[]) -> vector`
    vector_avg = aggregate::average::<f32>;

    /// `vector(vector, integer, boolean) -> vector`
    vector = cast::to_typmod::<f32>;
    /// `array_to_vector(integer[] | real[] | double precision[] | numeric[], integer, boolean) -> vector`
    array_to_vector = cast::from_array::<f32>;
    /// `vector_to_float4(vector, integer, boolean) -> real[]`
    vector_to_float4 = cast::to_float4::<f32>;
}
