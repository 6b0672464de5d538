//! Short texts without an allocation.

use std::fmt;

/// A text that is being printed: on the stack while it is short.
pub(super) struct Buffer {
    stack: [u8; 160],
    length: usize,
    heap: String,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Buffer { stack: [0; 160], length: 0, heap: String::new() }
    }

    #[inline]
    pub(super) fn push(&mut self, text: &str) {
        let end = self.length + text.len();
        match self.stack.get_mut(self.length..end) {
            Some(room) if self.heap.is_empty() => {
                room.copy_from_slice(text.as_bytes());
                self.length = end;
            }
            _ => self.push_to_heap(text),
        }
    }

    #[cold]
    fn push_to_heap(&mut self, text: &str) {
        if self.heap.is_empty() {
            let mut heap = String::with_capacity(4 * self.stack.len() + text.len());
            heap.push_str(self.text());
            self.heap = heap;
        }
        self.heap.push_str(text);
    }

    pub(super) fn push_char(&mut self, c: char) {
        self.push(c.encode_utf8(&mut [0; 4]));
    }

    pub(super) fn text(&self) -> &str {
        if !self.heap.is_empty() {
            return &self.heap;
        }
        // Only whole texts were put there.
        self.stack.get(..self.length).and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// Prints into a buffer; writing to one does not fail.
macro_rules! print_to {
    ($out:expr, $($arguments:tt)*) => {{
        let _ = std::fmt::Write::write_fmt($out, format_args!($($arguments)*));
    }};
}
pub(super) use print_to;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_whole() {
        let mut buffer = Buffer::new();
        let mut expected = String::new();
        for number in 0..200 {
            print_to!(&mut buffer, "é{number}");
            expected.push_str(&format!("é{number}"));
            assert_eq!(buffer.text(), expected);
        }
    }
}
