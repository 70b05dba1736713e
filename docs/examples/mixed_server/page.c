/* SPDX-License-Identifier: MIT */
/* The page, its style and its script: three files that are part of the program. */
#include "page.css.h"
#include "page.html.h"
#include "page.js.h"
#include "site.h"

static const struct part {
    const char *type;
    const void *data;
    size_t len;
} html = {"text/html; charset=utf-8", page_html, sizeof(page_html)},
  css = {"text/css; charset=utf-8", page_css, sizeof(page_css)},
  js = {"text/javascript; charset=utf-8", page_js, sizeof(page_js)};

struct send_part {
    WEFT_FRAME;
    weft_http_request *request;
    const struct part *part;
};

static WEFT_ASYNC(send_part)
{
    WEFT_BEGIN;
    weft_http_add_header(self->request, "Cache-Control", "no-cache");
    weft_http_add_header(self->request, "Content-Security-Policy",
                         "default-src 'self'; img-src data:");
    WEFT_AWAIT(
        weft_http_respond(self->request, 200, self->part->type, self->part->data, self->part->len));
    WEFT_END;
}

void add_page_routes(struct site *site)
{
    weft_http_route(site->server, "GET /", send_part, .part = &html);
    weft_http_route(site->server, "GET /page.css", send_part, .part = &css);
    weft_http_route(site->server, "GET /page.js", send_part, .part = &js);
}
