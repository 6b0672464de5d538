//! Packets of the client/server protocol on a byte stream: MySQL internals, "MySQL Packets".
//!
//! A payload is one packet, or several when it is 16 MiB or longer. Nothing here knows what a payload means.

use std::{io, time::Duration};

use bytes::{Buf, BufMut, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

/// Bytes that one read may bring: a busy log fills it, so that many events cost one system call.
const READ_BUFFER: usize = 256 * 1024;
/// The length of a packet whose payload goes on in the next packet.
const FULL_PACKET: usize = 0xFF_FFFF;

/// What packets travel on: a TCP connection, TLS over one, or a Unix socket.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Transport for T {}

/// How far a payload has been taken out of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The buffer is used up before the payload's end.
    Partial,
    /// The payload is complete; its first byte, which tells what it is (`None`: the payload is empty).
    Complete(Option<u8>),
}

#[derive(Clone, Copy)]
enum Expected {
    /// A packet's header; whether that packet continues a payload.
    Header { continues: bool },
    /// That many more bytes of a packet; whether the payload goes on in another packet.
    Body { rest: usize, continued: bool },
}

/// A connection as a sequence of payloads.
pub(super) struct PacketStream {
    transport: Box<dyn Transport>,
    buffer: BytesMut,
    expected: Expected,
    /// First byte of the payload that is being taken.
    first: Option<u8>,
    sequence: u8,
    read_timeout: Duration,
}

impl PacketStream {
    /// A connection whose next packet has the number `sequence` in its dialogue.
    pub(super) fn new(transport: impl Transport + 'static, sequence: u8, read_timeout: Duration) -> Self {
        PacketStream {
            transport: Box::new(transport),
            buffer: BytesMut::new(),
            expected: Expected::Header { continues: false },
            first: None,
            sequence,
            read_timeout,
        }
    }

    /// How long [`wait`](Self::wait) may take before the other side counts as lost.
    pub(super) fn set_read_timeout(&mut self, read_timeout: Duration) {
        self.read_timeout = read_timeout;
    }

    /// Waits until the buffer holds more bytes than before. Nothing is lost when it is dropped while it waits.
    ///
    /// # Errors
    /// When the connection is closed or lost, or stays silent for longer than the read timeout.
    pub(super) async fn wait(&mut self) -> io::Result<()> {
        if self.buffer.capacity() - self.buffer.len() < READ_BUFFER / 4 {
            self.buffer.reserve(READ_BUFFER);
        }
        let read = timeout(self.read_timeout, self.transport.read_buf(&mut self.buffer)).await;
        match read {
            Ok(Ok(0)) => {
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"))
            }
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("the server has been silent for {:?}", self.read_timeout),
            )),
        }
    }

    /// The first byte of the current payload, which tells what it is; `None` until it is in the buffer. (Of an empty payload
    /// it is `Some(None)`.)
    pub(super) fn begin(&mut self) -> Option<Option<u8>> {
        match (self.expected, self.first) {
            (_, Some(first)) if !matches!(self.expected, Expected::Header { continues: false }) => {
                Some(Some(first))
            }
            (Expected::Header { .. }, _) => {
                let (length, rest) = self.buffer.split_first_chunk::<3>()?;
                match length {
                    [0, 0, 0] => Some(None),
                    _ => rest.get(1).copied().map(Some),
                }
            }
            (Expected::Body { .. }, _) => self.buffer.first().copied().map(Some),
        }
    }

    /// Moves what the buffer has of the current payload behind the end of `out`, without the payload's first byte.
    pub(super) fn take(&mut self, out: &mut Vec<u8>) -> Progress {
        loop {
            match self.expected {
                Expected::Header { continues } => {
                    if self.buffer.len() < 4 {
                        return Progress::Partial;
                    }
                    let header = self.buffer.get_u32_le();
                    let length = header as usize & FULL_PACKET;
                    self.sequence = ((header >> 24) as u8).wrapping_add(1);
                    if !continues {
                        self.first = None;
                    }
                    self.expected = Expected::Body { rest: length, continued: length == FULL_PACKET };
                }
                Expected::Body { mut rest, continued } => {
                    if rest > 0 && self.first.is_none() && !self.buffer.is_empty() {
                        self.first = Some(self.buffer.get_u8());
                        rest -= 1;
                    }
                    let taken = self.buffer.split_to(rest.min(self.buffer.len()));
                    out.extend_from_slice(&taken);
                    rest -= taken.len();
                    if rest > 0 {
                        self.expected = Expected::Body { rest, continued };
                        return Progress::Partial;
                    }
                    self.expected = Expected::Header { continues: continued };
                    if !continued {
                        return Progress::Complete(self.first);
                    }
                }
            }
        }
    }

    /// The next whole payload, at most `limit` bytes long.
    ///
    /// # Errors
    /// As [`wait`](Self::wait), and when the payload is longer.
    pub(super) async fn read(&mut self, limit: usize) -> io::Result<Vec<u8>> {
        let mut payload = vec![0];
        loop {
            match self.take(&mut payload) {
                Progress::Complete(None) => return Ok(Vec::new()),
                Progress::Complete(Some(first)) => {
                    if let Some(place) = payload.first_mut() {
                        *place = first;
                    }
                    return Ok(payload);
                }
                Progress::Partial if payload.len() > limit => {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        "the server's answer is too long",
                    ));
                }
                Progress::Partial => self.wait().await?,
            }
        }
    }

    /// Writes a payload as the first of a new command.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(super) async fn write_command(&mut self, payload: &[u8]) -> io::Result<()> {
        self.sequence = 0;
        self.write(payload).await
    }

    /// Writes a payload as an answer to the server's last one.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(super) async fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        let (packets, sequence) = framed(payload, self.sequence);
        self.sequence = sequence;
        timeout(self.read_timeout, async {
            self.transport.write_all(&packets).await?;
            self.transport.flush().await
        })
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "the server does not read"))?
    }
}

/// A payload in packets numbered from `sequence`, and the number after them.
pub(super) fn framed(payload: &[u8], mut sequence: u8) -> (BytesMut, u8) {
    let mut packets = BytesMut::with_capacity(payload.len() + 8);
    let mut rest = payload;
    loop {
        let (packet, behind) = rest.split_at(rest.len().min(FULL_PACKET));
        packets.put_uint_le(packet.len() as u64, 3);
        packets.put_u8(sequence);
        packets.put_slice(packet);
        sequence = sequence.wrapping_add(1);
        rest = behind;
        // A payload of a multiple of the largest packet ends with an empty one.
        if packet.len() < FULL_PACKET {
            return (packets, sequence);
        }
    }
}

/// Reads one packet and not a byte more: before a connection is encrypted nothing may be read ahead, or what an attacker
/// slipped in behind the greeting would count as encrypted.
///
/// # Errors
/// When the connection is lost, or the packet is longer than `limit`.
pub(super) async fn read_exactly_one(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> io::Result<Vec<u8>> {
    let header = stream.read_u32_le().await?;
    let length = header as usize & FULL_PACKET;
    if length > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not a MySQL server: its greeting is too long",
        ));
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok(payload)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32).to_le_bytes();
        [&length[..3], &[sequence], payload].concat()
    }

    #[tokio::test]
    async fn a_payload_of_several_packets_is_one() {
        let long = vec![7; FULL_PACKET + 5];
        let bytes = [
            packet(0, &long[..FULL_PACKET]),
            packet(1, &long[FULL_PACKET..]),
            packet(2, b""),
            packet(3, b"\x00x"),
        ]
        .concat();
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let writer = tokio::spawn(async move { far.write_all(&bytes).await.map(|()| far) });
        let mut stream = PacketStream::new(near, 0, Duration::from_secs(5));
        assert_eq!(stream.read(1 << 30).await.unwrap(), long);
        assert_eq!(stream.read(10).await.unwrap(), b"");
        let mut rest = Vec::new();
        while stream.take(&mut rest) == Progress::Partial {
            stream.wait().await.unwrap();
        }
        assert_eq!(rest, b"x");
        drop(writer.await.unwrap());
        assert_eq!(stream.wait().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn a_payload_of_exactly_one_full_packet_ends_with_an_empty_one() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let mut writer = PacketStream::new(near, 0, Duration::from_secs(5));
        let long = vec![9; FULL_PACKET];
        let sent = long.clone();
        let task = tokio::spawn(async move { writer.write_command(&sent).await });
        let mut reader = PacketStream::new(far, 0, Duration::from_secs(5));
        assert_eq!(reader.read(1 << 30).await.unwrap(), long);
        task.await.unwrap().unwrap();
    }
}
