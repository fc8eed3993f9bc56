// CUDA's words for a C++17 compiler: the kernels run on the CPU, thread by thread, for tests and for machines that want
// to see what the GPU would give. Included by the build before a .cu file, never by one.
//
// Blocks run one after another. The threads of a block are fibers: each runs until __syncthreads, then the next; when
// all stand there, all go on. `schedule` names the order in which they take turns (0 ascending, 1 descending, else the
// seed of a shuffle), so a kernel whose result depends on it has a race. A barrier that only some threads reach is
// reported, and the kernel is left there.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>
#include <ucontext.h>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __syncthreads() gd_host::barrier()

struct GdIndex { unsigned x, y, z; };
static GdIndex threadIdx, blockIdx, blockDim, gridDim;

template <class T> T atomicMin(T *at, T v) { const T old = *at; if (v < old) *at = v; return old; }
template <class T> T atomicMax(T *at, T v) { const T old = *at; if (v > old) *at = v; return old; }
template <class T> T atomicAdd(T *at, T v) { const T old = *at; *at = old + v; return old; }

namespace gd_host {

constexpr std::size_t STACK = 64 << 10;

struct Fiber { ucontext_t context; GdIndex index; bool done; };

static ucontext_t turn;
static Fiber *running;
static void (*body)(void *);
static void *body_of;

static void barrier() {
    Fiber *me = running;
    swapcontext(&me->context, &turn);
    threadIdx = me->index;
}

static void enter() {
    body(body_of);
    running->done = true;
    swapcontext(&running->context, &turn);
}

static void prepare(Fiber &f, char *stack) {
    f.done = false;
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = stack;
    f.context.uc_stack.ss_size = STACK;
    f.context.uc_link = nullptr;
    makecontext(&f.context, enter, 0);
}

// One block. False: some threads ended while others waited.
static bool run_block(std::vector<Fiber> &fibers, std::vector<char> &stacks, int schedule) {
    const unsigned n = static_cast<unsigned>(fibers.size());
    std::vector<unsigned> order(n);
    for (unsigned i = 0; i < n; ++i) order[i] = schedule == 1 ? n - 1 - i : i;
    std::uint64_t state = static_cast<std::uint64_t>(schedule) * 0x9e3779b97f4a7c15u + 1;
    for (unsigned i = 0; i < n; ++i) {
        Fiber &f = fibers[i];
        f.index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
        prepare(f, stacks.data() + i * STACK);
    }
    for (unsigned alive = n; alive;) {
        if (schedule > 1)
            for (unsigned i = n - 1; i; --i) {
                state = state * 6364136223846793005u + 1442695040888963407u;
                std::swap(order[i], order[(state >> 33) % (i + 1)]);
            }
        unsigned ended = 0, waiting = 0;
        for (unsigned i : order) {
            Fiber &f = fibers[i];
            if (f.done) continue;
            running = &f;
            threadIdx = f.index;
            swapcontext(&turn, &f.context);
            f.done ? ++ended : ++waiting;
        }
        if (waiting && ended) return false;
        alive = waiting;
    }
    return true;
}

template <class... A, std::size_t... I>
void call(void (*kernel)(A...), void **args, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_const_t<A> *>(args[I])...);
}

template <class... A> struct Launch { void (*kernel)(A...); void **args; };

template <class... A> void invoke(void *launch) {
    auto *l = static_cast<Launch<A...> *>(launch);
    call(l->kernel, l->args, std::index_sequence_for<A...>{});
}

// 0: done. 1: a barrier that not all threads reached.
template <class... A>
int launch(void (*kernel)(A...), const unsigned *grid, const unsigned *block, void **args, int schedule, int barriers) {
    Launch<A...> l{kernel, args};
    body = invoke<A...>;
    body_of = &l;
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    const unsigned threads = block[0] * block[1] * block[2];
    std::vector<Fiber> fibers(barriers ? threads : 0);
    std::vector<char> stacks(barriers ? threads * STACK : 0);
    for (blockIdx.z = 0; blockIdx.z < grid[2]; ++blockIdx.z)
        for (blockIdx.y = 0; blockIdx.y < grid[1]; ++blockIdx.y)
            for (blockIdx.x = 0; blockIdx.x < grid[0]; ++blockIdx.x) {
                if (barriers) {
                    if (!run_block(fibers, stacks, schedule)) return 1;
                    continue;
                }
                for (unsigned i = 0; i < threads; ++i) {
                    const unsigned t = schedule == 1 ? threads - 1 - i : i;
                    threadIdx = {t % block[0], t / block[0] % block[1], t / (block[0] * block[1])};
                    invoke<A...>(&l);
                }
            }
    return 0;
}

// A letter for each parameter: P a pointer, i int, I unsigned, f float.
template <class T> constexpr char letter() {
    if (std::is_pointer_v<T>) return 'P';
    if (std::is_same_v<T, int>) return 'i';
    if (std::is_same_v<T, unsigned>) return 'I';
    if (std::is_same_v<T, float>) return 'f';
    return '?';
}
template <class... A> const char *signature(void (*)(A...)) {
    static const std::string text{letter<std::remove_const_t<A>>()...};
    return text.c_str();
}

}  // namespace gd_host

#define GD_EXPORT(NAME)                                                                                                \
    extern "C" int gd_launch_##NAME(const unsigned *grid, const unsigned *block, void **args, int schedule,            \
                                    int barriers) {                                                                    \
        return gd_host::launch(NAME, grid, block, args, schedule, barriers);                                           \
    }                                                                                                                  \
    extern "C" const char *gd_signature_##NAME() { return gd_host::signature(NAME); }
