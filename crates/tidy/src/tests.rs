//! The rules themselves.

use std::collections::BTreeSet;

use crate::source::{Source, files, long_functions, root, without_tests};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_CHARACTERS_MAX: usize = 120;

fn rust() -> Vec<Source> {
    ["crates", "src", "tools"].iter().flat_map(|folder| files(folder, ".rs")).collect()
}

fn assert_none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn files_are_short() {
    let long: Vec<String> = rust()
        .iter()
        .chain(files("sql", ".sql").iter())
        .filter(|file| without_tests(&file.text).lines().count() > FILE_LINES_MAX)
        .map(|file| format!("{}: {} lines", file.path, file.text.lines().count()))
        .collect();
    assert_none(&long, "a file has at most 600 lines without its tests");
}

#[test]
fn functions_are_short() {
    let mut long = Vec::new();
    for file in rust() {
        for (name, line, length) in long_functions(&file.text, FUNCTION_LINES_MAX) {
            long.push(format!("{}:{line}: fn {name} has {length} lines", file.path));
        }
    }
    assert_none(&long, "a function has at most 70 lines");
}

#[test]
fn lines_are_short() {
    let mut long = Vec::new();
    for file in rust().into_iter().chain(files("sql", ".sql")) {
        for (at, line) in file.text.lines().enumerate() {
            if line.chars().count() > LINE_CHARACTERS_MAX {
                long.push(format!("{}:{}", file.path, at + 1));
            }
        }
    }
    assert_none(&long, "a line has at most 120 characters");
}

#[test]
fn sources_are_ascii() {
    let odd: Vec<String> =
        rust().into_iter().filter(|file| !file.text.is_ascii()).map(|file| file.path).collect();
    assert_none(&odd, "sources are ASCII");
}

#[test]
fn only_the_extension_names_postgresql() {
    let found: Vec<String> = files("crates", ".rs")
        .into_iter()
        .filter(|file| !file.path.starts_with("crates/tidy/"))
        .filter(|file| file.text.contains("pgrx::") || file.text.contains("pg_sys"))
        .map(|file| file.path)
        .collect();
    assert_none(&found, "crates do not name pgrx");
}

#[test]
fn pg_sys_stays_behind_the_fence() {
    let allowed = ["src/pg/", "src/storage/", "src/am/", "src/types/", "src/guc", "src/error.rs"];
    let found: Vec<String> = files("src", ".rs")
        .into_iter()
        .filter(|file| !allowed.iter().any(|prefix| file.path.starts_with(prefix)))
        .filter(|file| file.text.contains("pg_sys::"))
        .map(|file| file.path)
        .collect();
    assert_none(&found, "pg_sys is named in pg, storage, am, types, guc and error.rs only");
}

#[test]
fn versions_are_told_apart_in_one_place() {
    let found: Vec<String> = files("src", ".rs")
        .into_iter()
        .filter(|file| file.path != "src/pg/compat.rs" && file.path != "src/am/hnsw/handler.rs")
        .filter(|file| file.text.contains("feature = \"pg1"))
        .map(|file| file.path)
        .collect();
    assert_none(&found, "PostgreSQL versions are told apart in pg/compat.rs and the handler tables only");
}

#[test]
fn pure_crates_forbid_unsafe_code() {
    for name in ["quant", "ann", "pages", "filter", "tidy"] {
        let lib = files(&format!("crates/{name}/src"), "lib.rs");
        assert!(lib.iter().any(|file| file.text.contains("#![forbid(unsafe_code)]")), "crates/{name}");
    }
}

#[test]
fn unsafe_code_is_where_it_may_be() {
    let allowed =
        ["crates/kernels/src/arch/", "crates/kernels/src/table.rs", "crates/kernels/src/block_x86/"];
    let found: Vec<String> = files("crates", ".rs")
        .into_iter()
        .filter(|file| !file.path.starts_with("crates/tidy/"))
        .filter(|file| !allowed.iter().any(|prefix| file.path.starts_with(prefix)))
        .filter(|file| file.text.lines().any(|line| !line.trim_start().starts_with("//") && has_unsafe(line)))
        .map(|file| file.path)
        .collect();
    assert_none(&found, "unsafe code of the crates is in kernels/src/arch, table.rs and block_x86 only");
}

fn has_unsafe(line: &str) -> bool {
    line.contains("unsafe {") || line.contains("unsafe fn") || line.contains("unsafe impl")
}

#[test]
fn structs_on_disk_have_fixed_types() {
    for file in files("crates/pages/src/format", ".rs") {
        for block in file.text.split("on_disk! {").skip(1) {
            let body = block.split("\n}\n").next().unwrap_or(block);
            for word in ["usize", "isize", "bool,", "char,", "Option<"] {
                assert!(!body.contains(word), "{}: {word} in a struct on disk", file.path);
            }
        }
    }
}

#[test]
fn every_file_is_used() {
    let all = rust();
    let mut named = BTreeSet::new();
    for file in &all {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let stem = file.path.rsplit('/').next().unwrap_or("").trim_end_matches(".rs");
        let base = if matches!(stem, "lib" | "mod" | "main") || folder.ends_with("/tests") {
            folder.to_owned()
        } else {
            format!("{folder}/{stem}")
        };
        for line in file.text.lines() {
            if let Some(name) =
                line.trim().strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]"))
            {
                named.insert(format!("{folder}/{name}"));
            }
            let Some(name) = module_name(line) else { continue };
            named.insert(format!("{base}/{name}.rs"));
            named.insert(format!("{base}/{name}/mod.rs"));
        }
    }
    let unused: Vec<String> = all
        .iter()
        .map(|file| file.path.clone())
        .filter(|path| !["/lib.rs", "/main.rs", "/build.rs"].iter().any(|end| path.ends_with(end)))
        .filter(|path| {
            !["/tests/", "/examples/", "/benches/", "/bin/"].iter().any(|part| path.contains(part))
        })
        .filter(|path| path != "src/lib.rs" && !named.contains(path))
        .collect();
    assert_none(&unused, "every file is named by a mod");
}

fn module_name(line: &str) -> Option<&str> {
    let line = line.trim();
    let rest = ["pub mod ", "pub(crate) mod ", "pub(super) mod ", "mod "]
        .iter()
        .find_map(|prefix| line.strip_prefix(prefix))?;
    rest.strip_suffix(';')
}

#[test]
fn every_golden_page_is_used() {
    let tests = files("crates/pages/tests", ".rs");
    for golden in files("crates/pages/tests/golden", ".hex") {
        let name = golden.path.rsplit('/').next().unwrap_or("").to_owned();
        assert!(tests.iter().any(|test| test.text.contains(&name)), "{} is compared by no test", golden.path);
    }
}

#[test]
fn words_that_date_or_apologise_stay_out() {
    let banned = ["TODO", "FIXME", "XXX", "previously", "no longer used", "for now,"];
    let mut found = Vec::new();
    for file in rust().iter().filter(|file| !file.path.starts_with("crates/tidy/")) {
        for (at, line) in file.text.lines().enumerate() {
            if banned.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    assert_none(&found, "comments give reasons, not history or plans");
}

/// `make format` sets FORMAT_WRITE and so rewrites the tables instead of comparing them.
#[test]
fn format_md_is_what_the_code_prints() {
    let path = root().join("FORMAT.md");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let marker = "<!-- printed by `make format` from crates/pages/src/format -->\n";
    let (prose, _) = text.split_once(marker).unwrap_or_else(|| panic!("FORMAT.md has no line {marker}"));
    let printed = format!("{prose}{marker}\n{}", pages::format::print::tables());
    if std::env::var_os("FORMAT_WRITE").is_some() {
        std::fs::write(&path, &printed).unwrap_or_else(|error| panic!("FORMAT.md: {error}"));
    } else {
        assert!(text == printed, "FORMAT.md differs from the code: run `make format`");
    }
}
