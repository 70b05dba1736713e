/* SPDX-License-Identifier: MIT */
/*
 * What a switch between stacks costs one way, with Boost.Context's fcontext (assembly).
 *
 *     WORKLOAD
 */
#include "../common/bench.h"

#include <boost/context/detail/fcontext.hpp>

namespace context = boost::context::detail;

static void jump_back(context::transfer_t from)
{
    for (;;)
        from = context::jump_fcontext(from.fctx, nullptr);
}

int main(int argc, char **argv)
{
    static char stack[65536];
    const long count = 20000000;
    auto other = context::make_fcontext(stack + sizeof(stack), sizeof(stack), jump_back);
    uint64_t start = now_ns();
    for (long i = 0; i < count; i++)
        other = context::jump_fcontext(other, nullptr).fctx;
    double ns = static_cast<double>(now_ns() - start) / static_cast<double>(count) / 2;
    emit(argc > 1 ? argv[1] : "floor", "fcontext_switch", "ns_per_op", ns, "ns");
    return 0;
}
