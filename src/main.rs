//! Command line → role. No logic.

/// Many small allocations from many threads: mimalloc keeps memory per socket and latency low.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    horae::cli::run()
}
