//! Memory: what the dynamic linker wrote, and files that are only there.
//!
//! Answerable, as all of `sys`, for every pointer handed to the kernel being valid for the call; and for what is shown in
//! the place of memory having the same contents.

use std::ffi::CStr;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use libc::{c_int, c_long};

use super::owned;

/// The tables of addresses of this program (not of its libraries) that the dynamic linker has filled in and made
/// read-only, in whole pages. None if there are none.
pub fn linked_tables() -> Option<&'static [u8]> {
    extern "C" fn program(
        about: *mut libc::dl_phdr_info,
        _: libc::size_t,
        found: *mut libc::c_void,
    ) -> c_int {
        // SAFETY: the linker calls us with what it knows of one object, and with the pointer that we gave it below.
        let (about, found) = unsafe { (&*about, &mut *found.cast::<Option<(usize, usize)>>()) };
        for number in 0..usize::from(about.dlpi_phnum) {
            // SAFETY: there are so many headers.
            let header = unsafe { &*about.dlpi_phdr.add(number) };
            if header.p_type == libc::PT_GNU_RELRO {
                let (addr, length) = (usize::try_from(header.p_vaddr), usize::try_from(header.p_memsz));
                let base = usize::try_from(about.dlpi_addr);
                *found = base.and_then(|base| Ok((base.wrapping_add(addr?), length?))).ok();
            }
        }
        // The first is the program itself.
        1
    }
    let mut found: Option<(usize, usize)> = None;
    // SAFETY: the function is called before this returns, with a pointer to `found`.
    unsafe { libc::dl_iterate_phdr(Some(program), (&raw mut found).cast()) };
    let (start, length) = found?;
    // SAFETY: numbers only.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    // As the linker rounds: what shares a page with what is written is not read-only.
    let (from, to) = (start / page * page, start.checked_add(length)? / page * page);
    let length = to.checked_sub(from).filter(|length| *length > 0)?;
    // SAFETY: these pages are there for as long as the program is, and nobody writes them: the linker made them read-only.
    Some(unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(from), length) })
}

/// A file that is in memory and has no name.
pub fn memory_file(name: &CStr) -> io::Result<OwnedFd> {
    // SAFETY: the name lives through the call.
    owned(c_long::from(unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC) }))
}

/// Shows a file, which has the same contents, in the place of pages that nobody writes.
pub fn show_in_place(pages: &'static [u8], file: RawFd) -> io::Result<()> {
    let flags = libc::MAP_PRIVATE | libc::MAP_FIXED;
    let at = pages.as_ptr().cast_mut().cast();
    // SAFETY: whole pages, which are replaced at once by pages with the same contents: whoever reads them sees no change.
    let shown = unsafe { libc::mmap(at, pages.len(), libc::PROT_READ, flags, file, 0) };
    if shown == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}
