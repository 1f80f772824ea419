//! `amvalidate`: whether an operator class is one that the access method can serve.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::opclass;

/// Support functions that a class of any of our methods can have; PostgreSQL checks the number for each.
const PROCS_MAX: u16 = 5;

/// Checks operators and support functions of a class; says what is wrong at INFO, as core's do.
#[pg_guard]
pub unsafe extern "C-unwind" fn amvalidate(opclass: pg_sys::Oid) -> bool {
    let complaints = Spi::connect(|client| {
        let mut complaints = operator_complaints(client, opclass)?;
        complaints.extend(function_complaints(client, opclass)?);
        Ok::<_, pgrx::spi::Error>(complaints)
    });
    let complaints = complaints.unwrap_or_else(|error| vec![error.to_string()]);
    for complaint in &complaints {
        ereport!(
            PgLogLevel::INFO,
            PgSqlErrorCode::ERRCODE_INVALID_OBJECT_DEFINITION,
            format!("operator class {}: {complaint}", opclass.to_u32())
        );
    }
    complaints.is_empty()
}

type Complaints = Result<Vec<String>, pgrx::spi::Error>;

/// The class needs one ordering operator, strategy 1, that sorts as float8.
fn operator_complaints(client: &pgrx::spi::SpiClient<'_>, opclass: pg_sys::Oid) -> Complaints {
    let rows = client.select(
        "SELECT a.amopstrategy = 1 AND a.amoppurpose = 'o'
                AND a.amopsortfamily = (SELECT f.oid FROM pg_catalog.pg_opfamily f
                                        JOIN pg_catalog.pg_am m ON m.oid = f.opfmethod
                                        WHERE f.opfname = 'float_ops' AND m.amname = 'btree'
                                          AND f.opfnamespace = 'pg_catalog'::regnamespace)
                AND o.oprresult = 'float8'::regtype,
                a.amopopr::regoperator::text
         FROM pg_catalog.pg_opclass c
         JOIN pg_catalog.pg_amop a ON a.amopfamily = c.opcfamily AND a.amoplefttype = c.opcintype
         JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr
         WHERE c.oid = $1",
        None,
        &[opclass.into()],
    )?;
    let mut complaints = Vec::new();
    let mut count = 0;
    for row in rows {
        count += 1;
        if row.get::<bool>(1)? != Some(true) {
            let operator = row.get::<String>(2)?.unwrap_or_default();
            complaints.push(format!("operator {operator} is not an ordering operator by distance"));
        }
    }
    if count == 0 {
        complaints.push("it has no operator".to_owned());
    }
    Ok(complaints)
}

/// The class needs support function 1; the others are optional.
fn function_complaints(client: &pgrx::spi::SpiClient<'_>, opclass: pg_sys::Oid) -> Complaints {
    let rows = client.select(
        "SELECT p.amprocnum::int4, f.proname::text
         FROM pg_catalog.pg_opclass c
         JOIN pg_catalog.pg_amproc p ON p.amprocfamily = c.opcfamily AND p.amproclefttype = c.opcintype
         JOIN pg_catalog.pg_proc f ON f.oid = p.amproc
         WHERE c.oid = $1",
        None,
        &[opclass.into()],
    )?;
    let mut complaints = Vec::new();
    let mut has_distance = false;
    for row in rows {
        let number = row.get::<i32>(1)?.unwrap_or(0);
        has_distance |= number == i32::from(opclass::DISTANCE_PROC);
        if !(1..=i32::from(PROCS_MAX)).contains(&number) {
            let name = row.get::<String>(2)?.unwrap_or_default();
            complaints.push(format!("function {name} has the unknown support number {number}"));
        }
    }
    if !has_distance {
        complaints.push("support function 1, the distance, is missing".to_owned());
    }
    Ok(complaints)
}
