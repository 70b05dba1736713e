// SPDX-License-Identifier: MIT
// Asio's sockets with handlers: a buffer for each connection.
#include <array>
#include <asio.hpp>
#include <memory>

#include "../common/server.h"

using asio::ip::tcp;

class connection : public std::enable_shared_from_this<connection>
{
  public:
    explicit connection(tcp::socket accepted) : socket(std::move(accepted))
    {
        socket.set_option(tcp::no_delay(true));
    }

    void read()
    {
        socket.async_read_some(asio::buffer(data),
                               [self = shared_from_this()](auto error, std::size_t got) {
                                   if (!error)
                                       self->write(got);
                               });
    }

  private:
    void write(std::size_t len)
    {
        asio::async_write(socket, asio::buffer(data, len),
                          [self = shared_from_this()](auto error, std::size_t) {
                              if (!error)
                                  self->read();
                          });
    }

    tcp::socket socket;
    std::array<char, 64 * 1024> data;
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
    int port = server_port(argc, argv);
    asio::io_context io(1);
    tcp::acceptor acceptor(io,
                           {asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)});
    acceptor.listen(SERVER_BACKLOG);
    accept_next(acceptor);
    server_is_ready(port);
    io.run();
}
