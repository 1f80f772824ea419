//! All nodes of a segment in the order of their numbers: what a merge reads.

use super::read::SegmentState;
use super::vectors;
use crate::error::PageError;
use crate::format::node::{NodeHeader, NodeView, VectorAddress};
use crate::format::page::{self, PageKind};
use crate::pager::Pager;
use crate::plan::OwnCode;
use crate::space::Space;

/// Calls `visit` with the header and the own vector of each node that stands for rows; sparse vectors as pages hold
/// them, and the code on the router where nodes have nothing else. Holds one page at a time, and none while `visit`
/// runs for what is not in the node.
///
/// # Errors
/// If a page is damaged.
pub fn for_each_node<P: Pager>(
    pager: &P,
    space: &Space,
    state: &SegmentState,
    visit: &mut dyn FnMut(&NodeHeader, &[u8]),
) -> Result<(), PageError> {
    let header = &state.header;
    let per_page = u32::from(header.nodes_per_page);
    let (mut elsewhere, mut on_routers) = (Vec::new(), Vec::new());
    let mut vector = Vec::new();
    let mut next_row = 0u32;
    for first in (0..header.nodes).step_by(per_page as usize) {
        let block = header.block_of(header.node_page + first / per_page);
        let bytes = pager.read(block)?;
        page::check(&bytes, block, PageKind::Nodes, state.segment)?;
        for at in 0..per_page.min(header.nodes - first) as usize {
            let start = at * state.plan.node_bytes();
            let node = NodeView::new(&state.plan, &page::content(&bytes)[start..][..state.plan.node_bytes()]);
            let own = node.header();
            let end = next_row.checked_add(own.row_count).filter(|&end| end <= header.ranked_rows);
            let is_number = own.scale.is_finite() && (0.0..f32::INFINITY).contains(&own.error);
            let Some(end) = end.filter(|_| own.row_start == next_row && is_number) else {
                return Err(PageError::damaged(block, "graph node"));
            };
            next_row = end;
            match state.plan.own() {
                OwnCode::Elsewhere => elsewhere.push((own, VectorAddress::load(node.own()))),
                OwnCode::Sign => on_routers.push((own, first + at as u32)),
                OwnCode::Residual(_) | OwnCode::Bits => visit(&own, node.own()),
            }
        }
        drop(bytes);
        for (own, address) in elsewhere.drain(..) {
            let from = (state.segment, header);
            vectors::read(pager, from, (address, block), space.dim() as u32, &mut vector)?;
            visit(&own, &vector);
        }
        for (own, id) in on_routers.drain(..) {
            state.read_code(pager, id, &mut vector)?;
            visit(&own, &vector);
        }
    }
    if next_row == header.ranked_rows { Ok(()) } else { Err(PageError::damaged(0, "rows of a segment")) }
}
