/* One stream with its token and output, for a host that cannot lay out a structure. */
#include "@name@.h"

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

static @name@_state state;
static int32_t token[@NAME@_INPUTS], output[@NAME@_OUTPUTS];

EXPORT int32_t host_inputs(void);
EXPORT int32_t host_outputs(void);
EXPORT int32_t *host_token(void);
EXPORT int32_t *host_output(void);
EXPORT void *host_memory(void);
EXPORT int32_t host_memory_bytes(void);
EXPORT void host_reset(void);
EXPORT int host_step(void);
EXPORT int host_run(const int32_t *tokens, int32_t *outputs, int32_t n);

int32_t host_inputs(void)
{
    return @NAME@_INPUTS;
}

int32_t host_outputs(void)
{
    return @NAME@_OUTPUTS;
}

int32_t *host_token(void)
{
    return token;
}

int32_t *host_output(void)
{
    return output;
}

void *host_memory(void)
{
    return &state.memory;
}

int32_t host_memory_bytes(void)
{
    return (int32_t)sizeof state.memory;
}

void host_reset(void)
{
    @name@_reset(&state);
}

int host_step(void)
{
    return @name@_step(&state, token, output);
}

/* Takes tokens until one is refused; gives what @name@_step said last. */
int host_run(const int32_t *tokens, int32_t *outputs, int32_t n)
{
    int status = @NAME@_OK;
    for (int32_t t = 0; t < n && status == @NAME@_OK; t++) {
        status = @name@_step(&state, tokens, outputs);
        tokens += @NAME@_INPUTS;
        outputs += @NAME@_OUTPUTS;
    }
    return status;
}
