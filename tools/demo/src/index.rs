//! Building an index, with a live view of PostgreSQL's own progress report.

use std::error::Error;
use std::io::{IsTerminal, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::session::Session;

const INTERVAL: Duration = Duration::from_millis(100);
const BAR_WIDTH: usize = 40;

/// Builds an index over the embeddings in the place of the one that is there.
pub fn build(session: &mut Session, method: &str) -> Result<(), Box<dyn Error>> {
    session.batch_execute("DROP INDEX IF EXISTS wordnet_embedding_idx")?;
    let mut watcher = Session::connect()?;
    let pid: i32 = session.query_one("SELECT pg_backend_pid()", &[])?.get(0);
    let done = AtomicBool::new(false);
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| watch(&mut watcher, pid, &done));
        let statement = format!("CREATE INDEX ON wordnet USING {method} (embedding vector_cosine_ops)");
        let result = session.batch_execute(&statement);
        done.store(true, Ordering::Relaxed);
        result
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let size = "SELECT pg_size_pretty(pg_relation_size('wordnet_embedding_idx'))";
    let size: String = session.query_one(size, &[])?.get(0);
    println!("built the {method} index in {seconds:.2} s ({size})");
    Ok(())
}

/// Draws the progress of `pid` until `done`, where somebody can see it.
fn watch(watcher: &mut Session, pid: i32, done: &AtomicBool) {
    let is_visible = stdout().is_terminal();
    while !done.load(Ordering::Relaxed) {
        if is_visible && let Ok(Some(line)) = progress(watcher, pid) {
            print!("\r{line}\x1b[K");
            // Only a picture: nothing depends on it.
            let _ = stdout().flush();
        }
        thread::sleep(INTERVAL);
    }
    if is_visible {
        print!("\r\x1b[K");
    }
}

fn progress(watcher: &mut Session, pid: i32) -> Result<Option<String>, postgres::Error> {
    let row = watcher.query_opt(
        "SELECT phase, greatest(blocks_done::float8 / nullif(blocks_total, 0),
                tuples_done::float8 / nullif(tuples_total, 0), 0)
         FROM pg_stat_progress_create_index WHERE pid = $1",
        &[&pid],
    )?;
    Ok(row.map(|row| bar(row.get(0), row.get(1))))
}

/// `[####......] 40 % building index`
fn bar(phase: &str, share: f64) -> String {
    let share = share.clamp(0.0, 1.0);
    let full = (share * BAR_WIDTH as f64) as usize;
    format!("[{}{}] {:3.0} % {phase}", "#".repeat(full), ".".repeat(BAR_WIDTH - full), share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn bar_stays_in_its_frame() {
        assert!(bar("x", -1.0).starts_with("[...."));
        assert_eq!(bar("x", 0.5), format!("[{}{}]  50 % x", "#".repeat(20), ".".repeat(20)));
        assert_eq!(bar("x", 7.0), format!("[{}] 100 % x", "#".repeat(40)));
    }
}
