//! Asks the linker to put what hardly ever runs (panics, refusals) apart from what runs: the kernel maps a program by pieces of
//! 64 KiB around what is touched, and so fewer of them stay in memory. Linkers that do not know the option ignore it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,keep-text-section-prefix");
    }
}
