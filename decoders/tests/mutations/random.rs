//! Random numbers that are the same on every machine: a mutant is known by the seed and its number.

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut random = Random(seed ^ number.wrapping_mul(0xD134_2543_DE82_EF95));
        random.next();
        random
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `end` - 1; 0 when `end` is 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    pub(crate) fn byte(&mut self) -> u8 {
        // The bytes at which lengths, signs and length-encoded integers change their meaning.
        const EDGES: [u8; 16] =
            [0, 1, 2, 4, 8, 9, 0x0F, 0x7F, 0x80, 0x81, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF];
        if self.one_in(2) { *self.pick(&EDGES) } else { self.next() as u8 }
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.byte()).collect()
    }

    /// A number that breaks something: around powers of two, or small.
    pub(crate) fn integer(&mut self) -> u64 {
        match self.below(4) {
            0 => self.next() % 300,
            1 => (1_u64 << self.below(64)).wrapping_add(self.next() % 3).wrapping_sub(1),
            2 => u64::MAX >> self.below(64),
            _ => self.next(),
        }
    }
}
