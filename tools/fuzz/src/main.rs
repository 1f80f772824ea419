//! Fuzzing: sends odd values to every input of the extension and judges what comes back.
//!
//! ```text
//! fuzz [--seconds S] [--cases N] [--seed N] [--case N] TARGET ...      all for every target
//! fuzz --quick TARGET ...     a few cases, always the same: for every change
//! fuzz --list
//! ```
//!
//! Each case depends on the seed and its own number only, so `--seed S --case N` repeats what a finding names.
//! Finds the server through PGHOST, PGPORT and PGUSER; `scripts/fuzz.sh` gives it a private one. Each target works in
//! a database of its own. Nothing here knows how the extension works: what must hold is said in SQL, or computed
//! again from the rules of the text and binary forms (`model`) and of filters (`filter`).
#![forbid(unsafe_code)]

mod filter;
mod literal;
mod model;
mod numbers;
mod random;
mod run;
mod session;
mod targets;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use run::Run;
use session::Failure;
use targets::{Entry, TARGETS, Target};

struct Arguments {
    seconds: f64,
    cases: u64,
    seed: u64,
    first: u64,
    /// As many cases as the target does in a fraction of a second.
    is_quick: bool,
    targets: Vec<&'static Entry>,
}

fn main() -> ExitCode {
    let arguments = match arguments(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!(
                "fuzz: {problem}\nusage: fuzz [--seconds S] [--cases N] [--seed N] [--case N] TARGET ...|all"
            );
            return ExitCode::FAILURE;
        }
    };
    let mut is_clean = true;
    for (name, make) in &arguments.targets {
        match run(name, make().as_mut(), &arguments) {
            Ok(clean) => is_clean &= clean,
            Err(failure) => {
                println!("FINDING {name}: the run ended: {failure}");
                is_clean = false;
            }
        }
    }
    if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_secs() % 1_000_000);
    let mut arguments = Arguments {
        seconds: f64::MAX,
        cases: u64::MAX,
        seed: now,
        first: 0,
        is_quick: false,
        targets: Vec::new(),
    };
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().and_then(|value| value.parse::<u64>().ok());
            value.ok_or_else(|| format!("{word} wants a number"))
        };
        match word.as_str() {
            "--seconds" => arguments.seconds = number()? as f64,
            "--cases" => arguments.cases = number()?,
            "--seed" => arguments.seed = number()?,
            "--case" => (arguments.first, arguments.cases) = (number()?, 1),
            "--quick" => (arguments.seed, arguments.cases, arguments.is_quick) = (1, 0, true),
            "--list" => {
                TARGETS.iter().for_each(|(name, _)| println!("{name}"));
                std::process::exit(0);
            }
            "all" => arguments.targets.extend(TARGETS.iter()),
            name => {
                let target = TARGETS.iter().find(|(known, _)| *known == name);
                arguments.targets.push(target.ok_or_else(|| format!("no target {name}"))?);
            }
        }
    }
    if arguments.targets.is_empty() {
        return Err("no target".to_owned());
    }
    if arguments.seconds == f64::MAX && arguments.cases == u64::MAX {
        arguments.seconds = 600.0;
    }
    Ok(arguments)
}

fn run(name: &'static str, target: &mut dyn Target, arguments: &Arguments) -> Result<bool, Failure> {
    let mut run = Run::start(name, arguments.seed)?;
    target.prepare(&mut run)?;
    let mut cases = 0;
    let cases_max = if arguments.is_quick { target.quick_cases() } else { arguments.cases };
    while cases < cases_max && run.has_time(arguments.seconds) {
        let number = arguments.first + cases;
        let mut random = run.begin(number);
        if let Err(failure) = target.case(&mut random, number, &mut run) {
            match failure {
                Failure::Lost(_) => {
                    run.reconnect(&failure)?;
                    target.prepare(&mut run)?;
                }
                Failure::Error(..) => run.finding("unexpected error", &failure),
            }
        }
        cases += 1;
    }
    Ok(run.finish(cases))
}
