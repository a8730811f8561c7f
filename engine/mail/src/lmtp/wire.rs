//! A session's bytes: lines and content in, answers out, each with its bound and its deadline.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::LINE_BYTES_MAX;
use super::data::Receiving;

/// How much is read at once, in bytes.
const READ_BYTES: usize = 16 * 1024;
/// How many bytes of answers are gathered while commands are at hand, in bytes.
const OUT_BYTES_MAX: usize = 4 * 1024;

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The client closed the connection, or it broke.
    Closed,
    /// Silence, or nobody reads.
    Idle,
    /// The listener stops.
    Stopping,
    /// A message without end.
    Endless,
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Ended {
        Ended::Closed
    }
}

/// A line of a command.
#[derive(Debug)]
pub(super) enum Line {
    /// Without its end.
    Whole(Vec<u8>),
    /// More than [`LINE_BYTES_MAX`]; all of it was skipped.
    TooLong,
}

/// The connection with what was read and not yet taken, and what was written and not yet sent.
pub(super) struct Wire {
    stream: TcpStream,
    input: Vec<u8>,
    output: Vec<u8>,
    idle_max: Duration,
    stopping: watch::Receiver<bool>,
}

impl Wire {
    pub(super) fn new(
        stream: TcpStream,
        idle_max: Duration,
        stopping: watch::Receiver<bool>,
    ) -> Wire {
        Wire {
            stream,
            input: Vec::with_capacity(READ_BYTES),
            output: Vec::new(),
            idle_max,
            stopping,
        }
    }

    /// The next line. Answers are sent before it is waited for, so pipelined commands are answered
    /// together (RFC 2920, 3.2).
    pub(super) async fn line(&mut self) -> Result<Line, Ended> {
        let mut too_long = false;
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.input.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                let fits = !too_long && end < LINE_BYTES_MAX;
                return Ok(if fits {
                    Line::Whole(line)
                } else {
                    Line::TooLong
                });
            }
            if self.input.len() >= LINE_BYTES_MAX {
                too_long = true;
                self.input.clear();
            }
            self.fill_or_stop().await?;
        }
    }

    /// Reads a message up to its end.
    pub(super) async fn content(&mut self, receiving: &mut Receiving) -> Result<(), Ended> {
        loop {
            let taken = receiving.take(&self.input);
            self.input.drain(..taken);
            if receiving.is_done() {
                return Ok(());
            }
            if receiving.is_endless() {
                return Err(Ended::Endless);
            }
            self.fill().await?;
        }
    }

    /// Adds an answer's line, without its end.
    pub(super) async fn answer(&mut self, line: &str) -> Result<(), Ended> {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        if self.output.len() > OUT_BYTES_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends the answers that were gathered.
    pub(super) async fn flush(&mut self) -> Result<(), Ended> {
        if self.output.is_empty() {
            return Ok(());
        }
        timeout(self.idle_max, self.stream.write_all(&self.output))
            .await
            .map_err(|_| Ended::Idle)??;
        self.output.clear();
        Ok(())
    }

    /// Sends the last answers and closes our side.
    pub(super) async fn close(mut self) {
        if self.flush().await.is_ok() {
            let _ = timeout(self.idle_max, self.stream.shutdown()).await;
        }
    }

    async fn fill_or_stop(&mut self) -> Result<(), Ended> {
        self.flush().await?;
        let mut stopping = self.stopping.clone();
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => Err(Ended::Stopping),
            filled = self.fill() => filled,
        }
    }

    async fn fill(&mut self) -> Result<(), Ended> {
        self.flush().await?;
        self.input.reserve(READ_BYTES);
        let read = timeout(self.idle_max, self.stream.read_buf(&mut self.input));
        match read.await.map_err(|_| Ended::Idle)?? {
            0 => Err(Ended::Closed),
            _ => Ok(()),
        }
    }
}
