/* SPDX-License-Identifier: MIT */
/*
 * What queues of pointers cost that completions or posts could go through: to push 64 and take
 * them, on one thread; and from two threads to a third. For each element.
 *
 *     WORKLOAD
 */
#include "../common/bench.h"

#include "urcu_queue.h"
#include <array>
#include <atomic>
#include <mutex>
#include <string>
#include <tbb/concurrent_queue.h>
#include <thread>
#include <vector>

struct node {
    std::atomic<node *> next{nullptr}; // what liburcu has as the first member, too
    long value = 1;
};

static const char *workload;

/* Pushed by compare and swap; all are taken by one exchange. */
class stack
{
  public:
    static constexpr const char *name = "q_treiber_takeall";

    void push(node *pushed)
    {
        node *top = first.load(std::memory_order_relaxed);
        do
            pushed->next.store(top, std::memory_order_relaxed);
        while (!first.compare_exchange_weak(top, pushed));
    }

    template <class F> void take(F call)
    {
        node *taken = first.load(std::memory_order_relaxed) ? first.exchange(nullptr) : nullptr;
        while (taken) {
            node *next = taken->next.load(std::memory_order_relaxed);
            call(taken);
            taken = next;
        }
    }

  private:
    alignas(64) std::atomic<node *> first{nullptr};
};

/* Vyukov's queue: pushed by one exchange, taken one by one. */
class exchanged_queue
{
  public:
    static constexpr const char *name = "q_vyukov_mpsc";

    void push(node *pushed)
    {
        pushed->next.store(nullptr, std::memory_order_relaxed);
        node *before = last.exchange(pushed, std::memory_order_acq_rel);
        before->next.store(pushed, std::memory_order_release);
    }

    template <class F> void take(F call)
    {
        while (node *taken = pop())
            call(taken);
    }

  private:
    node *pop()
    {
        node *taken = first, *next = taken->next.load(std::memory_order_acquire);
        if (taken == &stub) {
            if (!next)
                return nullptr;
            first = taken = next;
            next = next->next.load(std::memory_order_acquire);
        }
        if (!next && taken == last.load(std::memory_order_acquire)) {
            push(&stub);
            next = taken->next.load(std::memory_order_acquire);
        }
        if (!next)
            return nullptr;
        first = next;
        return taken;
    }

    node stub;
    alignas(64) std::atomic<node *> last{&stub};
    alignas(64) node *first = &stub;
};

class locked_list
{
  public:
    static constexpr const char *name = "q_mutex_list";

    void push(node *pushed)
    {
        pushed->next.store(nullptr, std::memory_order_relaxed);
        std::lock_guard lock(mu);
        (last ? last->next : first).store(pushed, std::memory_order_relaxed);
        last = pushed;
    }

    template <class F> void take(F call)
    {
        node *taken;
        {
            std::lock_guard lock(mu);
            taken = first.exchange(nullptr, std::memory_order_relaxed);
            last = nullptr;
        }
        while (taken) {
            node *next = taken->next.load(std::memory_order_relaxed);
            call(taken);
            taken = next;
        }
    }

  private:
    std::mutex mu;
    std::atomic<node *> first{nullptr};
    node *last = nullptr;
};

class urcu_queue
{
  public:
    static constexpr const char *name = "q_urcu_wfcqueue";

    ~urcu_queue()
    {
        urcu_queue_free(queue);
    }

    void push(node *pushed)
    {
        urcu_queue_push(queue, pushed);
    }

    template <class F> void take(F call)
    {
        if (!urcu_queue_take(queue))
            return;
        while (void *taken = urcu_queue_next(queue))
            call(static_cast<node *>(taken));
    }

  private:
    void *queue = urcu_queue_new();
};

class tbb_queue
{
  public:
    static constexpr const char *name = "q_tbb_concurrent";

    void push(node *pushed)
    {
        queue.push(pushed);
    }

    template <class F> void take(F call)
    {
        node *taken;
        while (queue.try_pop(taken))
            call(taken);
    }

  private:
    tbb::concurrent_queue<node *> queue;
};

static void print(const std::string &name, uint64_t start, long count)
{
    double ns = static_cast<double>(now_ns() - start) / static_cast<double>(count);
    emit(workload, name.c_str(), "ns_per_op", ns, "ns");
}

template <class Queue> static void measure_alone()
{
    Queue queue;
    std::array<node, 64> nodes;
    long sum = 0;
    const long rounds = 10000000 / 64;
    uint64_t start = now_ns();
    for (long i = 0; i < rounds; i++) {
        for (auto &each : nodes)
            queue.push(&each);
        queue.take([&](node *taken) { sum += taken->value; });
    }
    print(std::string(Queue::name) + "_1thread", start, sum);
}

template <class Queue> static void measure_contended()
{
    Queue queue;
    const std::size_t of_each = 1000000;
    std::vector<node> nodes(2 * of_each);
    std::atomic<bool> may_start{false};
    auto produce = [&](std::size_t begin) {
        while (!may_start)
            cpu_relax();
        for (std::size_t i = begin; i < begin + of_each; i++)
            queue.push(&nodes[i]);
    };
    std::thread one(produce, 0), other(produce, of_each);
    long sum = 0;
    uint64_t start = now_ns();
    may_start = true;
    while (sum < static_cast<long>(nodes.size())) {
        long before = sum;
        queue.take([&](node *taken) { sum += taken->value; });
        if (sum == before)
            sched_yield();
    }
    print(std::string(Queue::name) + "_2prod", start, sum);
    one.join();
    other.join();
}

template <class Queue> static void measure()
{
    measure_alone<Queue>();
    measure_contended<Queue>();
}

int main(int argc, char **argv)
{
    workload = argc > 1 ? argv[1] : "floor";
    measure<stack>();
    measure<exchanged_queue>();
    measure<locked_list>();
    measure<urcu_queue>();
    measure<tbb_queue>();
    return 0;
}
