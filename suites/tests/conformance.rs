//! The main job: judges a platform and gives one verdict. See `--help`.

fn main() -> std::process::ExitCode {
    harness::cli::main(suites::SUITES)
}
