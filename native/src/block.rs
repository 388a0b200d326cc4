//! Documents of one day's index, pre-encoded as the body of a bulk request.

const ACTION: &[u8] = b"{\"create\":{\"_id\":\"";
const AFTER_ID: &[u8] = b"\"}}\n";
pub const ID_SIZE: usize = 20;
const HEX: &[u8; 16] = b"0123456789abcdef";
const DAY_LENGTH: usize = 10;

/// A range of a block's bytes; empty if the text is absent.
#[derive(Clone, Copy, Default, Debug)]
pub struct Span {
    pub begin: u32,
    pub end: u32,
}

/// The texts that searches read, returned separately for stores with columns for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Column {
    CorrelationId,
    Event,
    Level,
    Message,
    Path,
    ErrorType,
    ErrorMessage,
    Exception,
    /// The object of the unknown fields, as JSON.
    Extra,
    TraceId,
}

pub const COLUMNS: usize = 10;

impl Column {
    pub fn named(name: &str) -> Option<Column> {
        Some(match name {
            "correlation_id" => Column::CorrelationId,
            "event" => Column::Event,
            "level" => Column::Level,
            "message" => Column::Message,
            "path" => Column::Path,
            "error_type" => Column::ErrorType,
            "error_message" => Column::ErrorMessage,
            "exception" => Column::Exception,
            "trace_id" => Column::TraceId,
            _ => return None,
        })
    }
}

/// The range of each column's text.
pub type Columns = [Span; COLUMNS];

pub struct Row {
    /// Offset of the action line.
    pub begin: usize,
    pub body: (usize, usize),
    pub id: [u8; ID_SIZE],
    pub time_ms: i64,
    pub columns: Columns,
}

#[derive(Default)]
pub struct Block {
    pub bytes: Vec<u8>,
    pub rows: Vec<Row>,
    /// `YYYY-MM-DD` of all documents.
    pub day: Vec<u8>,
    /// True if they are for the quarantine.
    pub quarantined: bool,
    begin: usize,
    body: usize,
    columns: Columns,
}

/// Most blocks of a batch.
const MOST_BLOCKS: usize = 6;
/// Most bytes of a block, so that 32 bits suffice for its ranges.
const LARGEST_BLOCK: usize = 1 << 30;
/// Initial capacity of a block in bytes.
const CAPACITY: usize = 16 * 1024;

/// The blocks of a batch, one for each day and kind of index.
#[derive(Default)]
pub struct Blocks {
    pub blocks: Vec<Block>,
}

impl Blocks {
    /// Return the place of the block for a day, `YYYY-MM-DD`; None if there are too many, or it is full.
    pub fn of(&mut self, day: &[u8], quarantined: bool) -> Option<usize> {
        let is_same = |block: &Block| block.day == day && block.quarantined == quarantined;
        if let Some(place) = self.blocks.iter().position(is_same) {
            return (self.blocks[place].bytes.len() <= LARGEST_BLOCK).then_some(place);
        }
        if self.blocks.len() >= MOST_BLOCKS {
            return None;
        }
        let mut block = Block::with_capacity(CAPACITY);
        block.day = day[..DAY_LENGTH].to_vec();
        block.quarantined = quarantined;
        self.blocks.push(block);
        Some(self.blocks.len() - 1)
    }

    /// Remove the last document of a block, if there is one.
    pub fn remove_last(&mut self, block: Option<usize>) {
        if let Some(block) = block {
            self.blocks[block].remove_last();
        }
    }
}

impl Block {
    pub fn with_capacity(bytes: usize) -> Block {
        Block {
            bytes: Vec::with_capacity(bytes),
            ..Block::default()
        }
    }

    /// Begin a document.
    pub fn open(&mut self) {
        self.begin = self.bytes.len();
        self.columns = Columns::default();
        self.bytes.extend_from_slice(ACTION);
        self.bytes.extend_from_slice(&[b'0'; ID_SIZE * 2]);
        self.bytes.extend_from_slice(AFTER_ID);
        self.body = self.bytes.len();
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Write the content of a string, and record its range.
    pub fn write_text(&mut self, text: &[u8], column: Option<Column>) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(text);
        if let Some(column) = column {
            self.mark(begin, column);
        }
    }

    /// Record the range from `begin`, an offset in `bytes`, to the end.
    pub fn mark(&mut self, begin: usize, column: Column) {
        self.columns[column as usize] = Span {
            begin: begin as u32,
            end: self.bytes.len() as u32,
        };
    }

    /// Write a text with quotes, escaped or not, with escaped quotes, and record its range.
    pub fn write_quoted(&mut self, text: &[u8], column: Column) {
        let begin = self.bytes.len();
        for &byte in text {
            match byte {
                b'\\' => {}
                b'"' => self.bytes.extend_from_slice(b"\\\""),
                _ => self.bytes.push(byte),
            }
        }
        self.mark(begin, column);
    }

    pub fn close(&mut self, tail: &[u8], offset: u64, time_ms: i64) {
        self.bytes.extend_from_slice(tail);
        let mut digits = [0u8; 20];
        let mut place = digits.len();
        let mut left = offset;
        loop {
            place -= 1;
            digits[place] = b'0' + (left % 10) as u8;
            left /= 10;
            if left == 0 {
                break;
            }
        }
        self.bytes.extend_from_slice(&digits[place..]);
        self.bytes.extend_from_slice(b"}}");
        let body = (self.body, self.bytes.len());
        self.bytes.push(b'\n');
        self.rows.push(Row {
            begin: self.begin,
            body,
            id: [0; ID_SIZE],
            time_ms,
            columns: self.columns,
        });
    }

    /// Copy all lines with a part inserted at the beginning of each action's object.
    pub fn copy_named(&self, part: &[u8], mut into: &mut [u8]) {
        const HEAD: usize = b"{\"create\":{".len();
        let mut put = |bytes: &[u8]| {
            let (target, rest) = std::mem::take(&mut into).split_at_mut(bytes.len());
            target.copy_from_slice(bytes);
            into = rest;
        };
        let mut at = 0;
        for row in &self.rows {
            put(&self.bytes[at..row.begin + HEAD]);
            put(part);
            at = row.begin + HEAD;
        }
        put(&self.bytes[at..]);
    }

    /// Remove the last document.
    pub fn remove_last(&mut self) {
        if let Some(row) = self.rows.pop() {
            self.bytes.truncate(row.begin);
        }
    }

    pub fn set_id(&mut self, row: usize, runtime_ms: i64, digest: &[u8]) {
        let row = &mut self.rows[row];
        row.id[..6].copy_from_slice(&runtime_ms.to_be_bytes()[2..]);
        row.id[6..].copy_from_slice(digest);
        let begin = row.begin + ACTION.len();
        let hex = &mut self.bytes[begin..begin + ID_SIZE * 2];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(row.id) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
    }
}
