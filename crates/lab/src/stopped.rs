//! One thread of a program stopped as a debugger stops it: what a deadlock looks like from outside, without a line in the
//! program for it.

use crate::sys;
use std::io;
use std::sync::mpsc::sync_channel;

/// The number of the thread of process `pid` that is called `name`.
///
/// # Errors
/// When there is none, or `/proc` cannot be read.
pub fn thread_of(pid: i32, name: &str) -> io::Result<i32> {
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?;
        if std::fs::read_to_string(task.path().join("comm"))?.trim_end() == name
            && let Some(number) = task.file_name().to_str().and_then(|number| number.parse().ok())
        {
            return Ok(number);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, format!("process {pid} has no thread {name}")))
}

/// Stops one thread until its process is killed. The others go on.
///
/// # Errors
/// What the kernel says if the process may not be traced.
pub fn stop_thread(tid: i32) -> io::Result<()> {
    let (tell, hear) = sync_channel(1);
    // Only the thread that traces may wait, and it must: the end of a traced thread is told to nobody else before.
    std::thread::Builder::new().name("tracer".into()).spawn(move || {
        let stopped = sys::stop_thread(tid);
        let is_stopped = stopped.is_ok();
        let _ = tell.send(stopped);
        while is_stopped && matches!(sys::wait_for_traced(tid), Ok(true)) {}
    })?;
    hear.recv().unwrap_or_else(|_| Err(io::Error::other("the tracer has ended")))
}
