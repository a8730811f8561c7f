//! A connection that gives its bytes line by line, so that nothing of what an attacker put behind the
//! answer to `STARTTLS` is ever taken for an answer that came under TLS.
//!
//! `lettre` reads through a buffer that outlives the change to TLS. As this stream never gives more than
//! one line at once, what follows the answer stays here, is the first that TLS reads, and breaks its
//! handshake (RFC 3207, 4.2; CVE-2011-0411 is the same fault elsewhere).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How much is read from the socket at once, in bytes.
const BUFFER_BYTES: usize = 4 * 1024;

/// A TCP connection, and what was read from it beyond the last line that was given.
pub(super) struct LineStream {
    tcp: TcpStream,
    buffer: Box<[u8; BUFFER_BYTES]>,
    given: usize,
    filled: usize,
}

impl LineStream {
    pub(super) async fn connect(host: &str, port: u16) -> io::Result<LineStream> {
        let tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        Ok(LineStream {
            tcp,
            buffer: Box::new([0; BUFFER_BYTES]),
            given: 0,
            filled: 0,
        })
    }
}

impl fmt::Debug for LineStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineStream").finish_non_exhaustive()
    }
}

impl AsyncTokioStream for LineStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }
}

impl AsyncRead for LineStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.given == this.filled {
            let mut buffer = ReadBuf::new(&mut this.buffer[..]);
            ready!(Pin::new(&mut this.tcp).poll_read(context, &mut buffer))?;
            (this.given, this.filled) = (0, buffer.filled().len());
        }
        let waiting = &this.buffer[this.given..this.filled];
        let line = waiting
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(waiting.len(), |end| end + 1);
        let count = line.min(out.remaining());
        out.put_slice(&waiting[..count]);
        this.given += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LineStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(context)
    }
}
