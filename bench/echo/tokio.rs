// SPDX-License-Identifier: MIT
// tokio's current_thread runtime: a task and a buffer for each connection.
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut data = vec![0; 64 * 1024];
    loop {
        let len = stream.read(&mut data).await?;
        if len == 0 {
            return Ok(());
        }
        stream.write_all(&data[..len]).await?;
    }
}

fn main() {
    let port: u16 = std::env::args().nth(1).unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        println!("listening on 127.0.0.1:{}", port);
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(echo(stream));
        }
    });
}
