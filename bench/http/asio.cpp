// SPDX-License-Identifier: MIT
// Asio's sockets with handlers, and the least of HTTP. /slow goes to an asio::thread_pool of POOL.
#include <asio.hpp>
#include <memory>

#include "http.h"

using asio::ip::tcp;

static asio::io_context io(1);
static std::unique_ptr<asio::thread_pool> pool;

class connection : public std::enable_shared_from_this<connection>
{
  public:
    explicit connection(tcp::socket accepted) : socket(std::move(accepted))
    {
        socket.set_option(tcp::no_delay(true));
    }

    void read()
    {
        socket.async_read_some(asio::buffer(in.data + in.len, sizeof(in.data) - in.len),
                               [self = shared_from_this()](auto error, std::size_t got) {
                                   if (!error)
                                       self->on_read(got);
                               });
    }

  private:
    void on_read(std::size_t got)
    {
        bool is_slow;
        in.len += got;
        std::size_t len = http_request_at(&in, 0, &is_slow);
        http_consume(&in, len);
        if (!len)
            read();
        else if (is_slow && pool)
            block();
        else
            answer();
    }

    void block()
    {
        asio::post(*pool, [self = shared_from_this()] {
            http_block();
            asio::post(io, [self] { self->answer(); });
        });
    }

    void answer()
    {
        asio::async_write(socket, asio::buffer(HTTP_ANSWER, HTTP_ANSWER_LEN),
                          [self = shared_from_this()](auto error, std::size_t) {
                              if (!error)
                                  self->read();
                          });
    }

    tcp::socket socket;
    http_input in{};
};

static void accept_next(tcp::acceptor &acceptor)
{
    acceptor.async_accept([&acceptor](auto error, tcp::socket socket) {
        if (!error)
            std::make_shared<connection>(std::move(socket))->read();
        accept_next(acceptor);
    });
}

int main(int argc, char **argv)
{
    int port = server_port(argc, argv), threads = server_pool(argc, argv);
    if (threads)
        pool = std::make_unique<asio::thread_pool>(static_cast<std::size_t>(threads));
    tcp::acceptor acceptor(io,
                           {asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)});
    acceptor.listen(SERVER_BACKLOG);
    accept_next(acceptor);
    server_is_ready(port);
    io.run();
}
