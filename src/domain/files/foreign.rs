//! What must hold for the bytes of every file that comes from outside; see [`crate::foreign`].

use std::io::Cursor;

use super::{FileType, inspect};

/// Any bytes, said to be of any type: looking at them ends, and what is taken for a picture has sides that may be.
pub fn files(data: &[u8]) {
    for kind in FileType::ALL {
        let Ok(found) = inspect::judge(kind, &mut Cursor::new(data)) else { continue };
        if let Some((width, height)) = found.pixels {
            let side = |pixels: i32| (1..=inspect::MAX_SIDE).contains(&pixels.unsigned_abs()) && pixels > 0;
            assert!(kind.is_picture() && side(width) && side(height), "{kind:?} of {width} × {height}");
        }
    }
}
