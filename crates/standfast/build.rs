//! Asks the linker to put what hardly ever runs (panics, refusals) apart from what runs: the kernel maps a program by pieces of
//! 64 KiB around what is touched, and so fewer of them stay in memory. Linkers that do not know the option warn, and ignore it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        // Two words, which a compiler that calls the linker passes on and a linker takes as they are.
        println!("cargo:rustc-link-arg-bins=-z");
        println!("cargo:rustc-link-arg-bins=keep-text-section-prefix");
    }
}
