// SPDX-License-Identifier: MIT
// hyper on tokio's current_thread runtime. /slow is spawn_blocking(), with POOL threads.
use hyper::service::{make_service_fn, service_fn};
use hyper::{Body, Request, Response, Server};
use std::convert::Infallible;
use std::time::Duration;

async fn handle(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    if request.uri().path().starts_with("/s") {
        let blocked = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(10)));
        blocked.await.unwrap();
    }
    let response = Response::builder().header("content-type", "text/plain");
    Ok(response.body(Body::from("Hello, World!")).unwrap())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let port: u16 = arguments[1].parse().unwrap();
    let pool: usize = arguments[2].parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(pool.max(1))
        .build()
        .unwrap();
    runtime.block_on(async move {
        let make = make_service_fn(|_| async { Ok::<_, Infallible>(service_fn(handle)) });
        let server = Server::bind(&([127, 0, 0, 1], port).into()).tcp_nodelay(true).serve(make);
        println!("listening on 127.0.0.1:{}", port);
        server.await.unwrap();
    });
}
