// The same by node: "METHOD TARGET BYTES".
const http = require("http");
const server = http.createServer((request, response) => {
    let bytes = 0;
    request.on("data", (piece) => { bytes += piece.length; });
    request.on("end", () => response.end(`${request.method} ${request.url} ${bytes}\n`));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
