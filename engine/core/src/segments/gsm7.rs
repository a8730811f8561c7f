//! The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038, 6.2.1 and 6.2.1.1).

/// The septet that announces a character of the extension table; it is no character itself.
pub const ESCAPE: u8 = 0x1B;

/// The default alphabet by septet value (3GPP TS 23.038, 6.2.1).
///
/// The place of [`ESCAPE`] holds U+001B, which [`Code::of`] does not encode.
pub const ALPHABET: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', // 0x00
    'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1B}', 'Æ', 'æ', 'ß',
    'É', // 0x10
    ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/', // 0x20
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', // 0x30
    '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', // 0x40
    'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', // 0x50
    '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', // 0x60
    'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à', // 0x70
];

/// The extension table: the septet after [`ESCAPE`], and its character (3GPP TS 23.038, 6.2.1.1).
pub const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{0C}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// How one character is written in GSM-7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// One septet of the default alphabet.
    Default(u8),
    /// [`ESCAPE`] and this septet: two in all, never parted.
    Extension(u8),
}

impl Code {
    /// Returns how `c` is written, or nothing if GSM-7 has no such character.
    ///
    /// A constant-time look-up.
    pub fn of(c: char) -> Option<Code> {
        match packed(c) {
            ABSENT => None,
            code if code & EXTENDED == 0 => Some(Code::Default(code)),
            code => Some(Code::Extension(code & !EXTENDED)),
        }
    }

    /// Returns the character that this code writes, or nothing for a code that is not assigned.
    pub fn character(self) -> Option<char> {
        match self {
            Code::Default(ESCAPE) => None,
            Code::Default(septet) => ALPHABET.get(usize::from(septet)).copied(),
            Code::Extension(septet) => EXTENSION
                .iter()
                .find(|(code, _)| *code == septet)
                .map(|(_, character)| *character),
        }
    }
}

/// Returns the septets `c` takes, 1 or 2, or nothing if GSM-7 has no such character.
pub(super) fn septets(c: char) -> Option<usize> {
    match packed(c) {
        ABSENT => None,
        code => Some(1 + usize::from(code >> 7)),
    }
}

/// Bytes that [`plain_prefix_bytes`] looks at together: one SSE or NEON register.
const PLAIN_BLOCK_BYTES: usize = 16;

/// Returns the length of a leading run of `bytes` that are all one-septet ASCII characters.
///
/// It is a whole number of blocks and may therefore stop short; it is 0 for a shorter input.
pub(super) fn plain_prefix_bytes(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<PLAIN_BLOCK_BYTES>();
    // No early exit within a block, so that it becomes a few vector instructions.
    let is_plain_block = |block: &&[u8; PLAIN_BLOCK_BYTES]| {
        block.iter().fold(true, |all, byte| all & is_plain(*byte))
    };
    blocks.iter().take_while(is_plain_block).count() * PLAIN_BLOCK_BYTES
}

/// Tells by arithmetic alone whether an ASCII byte takes one septet.
const fn is_plain(byte: u8) -> bool {
    (byte.wrapping_sub(b' ') <= b'Z' - b' ')
        | (byte.wrapping_sub(b'a') <= b'z' - b'a')
        | (byte == b'_')
        | (byte == b'\n')
        | (byte == b'\r')
}

/// The bit that marks a packed code of the extension table.
const EXTENDED: u8 = 0x80;

/// The packed code of a character that GSM-7 lacks; no septet of the extension table is 0x7F.
const ABSENT: u8 = 0xFF;

/// All characters of GSM-7 below this are in [`LOW`]: up to Greek.
const LOW_LEN: usize = 0x400;

/// The one character of GSM-7 that is not in [`LOW`].
const EURO: (char, u8) = ('€', 0x65 | EXTENDED);

/// Packed codes by Unicode scalar value.
static LOW: [u8; LOW_LEN] = low_table();

fn packed(c: char) -> u8 {
    match LOW.get(c as usize) {
        Some(code) => *code,
        None if c == EURO.0 => EURO.1,
        None => ABSENT,
    }
}

const fn low_table() -> [u8; LOW_LEN] {
    let mut table = [ABSENT; LOW_LEN];
    let mut septet = 0;
    while septet < ALPHABET.len() {
        if septet != ESCAPE as usize {
            table[ALPHABET[septet] as usize] = septet as u8;
        }
        septet += 1;
    }
    let mut row = 0;
    while row < EXTENSION.len() {
        let (septet, character) = EXTENSION[row];
        if character != EURO.0 {
            table[character as usize] = septet | EXTENDED;
        }
        row += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_rule_agrees_with_the_table_on_every_byte() {
        for byte in 0..=u8::MAX {
            let by_table = byte.is_ascii() && septets(char::from(byte)) == Some(1);
            assert_eq!(is_plain(byte), by_table, "byte {byte:#04x}");
        }
    }

    #[test]
    fn every_code_reads_back_as_its_character() {
        for c in '\0'..=char::MAX {
            if let Some(code) = Code::of(c) {
                assert_eq!(code.character(), Some(c));
            }
        }
        assert_eq!(Code::Default(ESCAPE).character(), None);
        assert_eq!(Code::Default(0x80).character(), None);
        assert_eq!(Code::Extension(0x00).character(), None);
    }
}
