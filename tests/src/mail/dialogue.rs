//! One side of a dialogue in lines, as mail protocols hold it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The longest that a server may take over one answer.
const ANSWER_BOUND: Duration = Duration::from_secs(30);

/// A connection, read and written in lines.
pub(super) struct Dialogue {
    lines: Lines<BufReader<OwnedReadHalf>>,
    out: OwnedWriteHalf,
}

impl Dialogue {
    pub(super) fn over(stream: TcpStream) -> Dialogue {
        let (read, out) = stream.into_split();
        let lines = BufReader::new(read).lines();
        Dialogue { lines, out }
    }

    /// The next line; `None` when the other side is done.
    pub(super) async fn heard(&mut self) -> io::Result<Option<String>> {
        self.lines.next_line().await
    }

    /// Writes a line, or several with their ends between them.
    pub(super) async fn tell(&mut self, line: &str) -> io::Result<()> {
        self.out.write_all(format!("{line}\r\n").as_bytes()).await
    }

    /// Writes a command and gives the last line of its answer.
    ///
    /// # Panics
    /// When there is none in time.
    pub(super) async fn ask(&mut self, command: &str) -> String {
        self.tell(command).await.expect("the server listens");
        self.answer().await
    }

    /// The last line of an answer: the one without a hyphen behind its code.
    ///
    /// # Panics
    /// When there is none in time.
    pub(super) async fn answer(&mut self) -> String {
        loop {
            let line = tokio::time::timeout(ANSWER_BOUND, self.heard()).await;
            let line = line.expect("the server answers in time");
            let line = line
                .expect("the connection holds")
                .expect("the server answers");
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }
}
