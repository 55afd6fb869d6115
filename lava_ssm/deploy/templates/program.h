@about@
#ifndef @GUARD@_H
#define @GUARD@_H

#include <stdint.h>

#define @NAME@_INPUTS @d_input@ /* integers of a token, @input@ */
#define @NAME@_OUTPUTS @d_output@ /* integers of an output, @output@ */

/* What @name@_step says. After anything but @NAME@_OK the state is as before. */
enum {
    @NAME@_OK = 0,
    @NAME@_OUT_OF_RANGE = 1, /* an integer of the token is beyond the input's format */
    @NAME@_OVERFLOW = 2 /* an integer left its word, and the network's rule is to raise */
};

/* What the network carries from token to token. */
typedef struct {
@memory@
} @name@_memory;

/* That, and buffers. */
typedef struct {
    @name@_memory memory;
@buffers@
} @name@_state;

#ifdef __cplusplus
extern "C" {
#endif

/* Begin a sample. */
void @name@_reset(@name@_state *state);

/* Take one token; give one output: @readout@. */
int @name@_step(@name@_state *state, const int32_t *token, int32_t *output);

#ifdef __cplusplus
}
#endif

#endif
