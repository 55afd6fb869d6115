/* Every compiler known shifts negative numbers with their sign and takes the low bits of what does
   not fit; one that does not, or whose int has 16 bits, is refused here. */
typedef char ssm_arithmetic[
    (-1 >> 1 == -1 && (int32_t)UINT32_MAX == -1 && sizeof(int) >= 4) ? 1 : -1];

/* v in a word of some bits, in which it wraps. */
static inline int32_t ssm_wrapped32(int32_t v, int bits)
{
    return (int32_t)((uint32_t)v << (32 - bits)) >> (32 - bits);
}

/* v in a word of some bits, in which it wraps. */
static inline int32_t ssm_wrapped64(int64_t v, int bits)
{
    return ssm_wrapped32((int32_t)(uint32_t)(uint64_t)v, bits);
}

/* v in a word of some bits, its ends for what lies beyond. */
static inline int32_t ssm_clipped64(int64_t v, int bits)
{
    const int64_t most = (INT64_C(1) << (bits - 1)) - 1;
    return (int32_t)(v > most ? most : v < -most - 1 ? -most - 1 : v);
}

/* v in a word of some bits, its ends for what lies beyond. */
static inline int32_t ssm_clipped32(int32_t v, int bits)
{
    const int32_t most = (INT32_C(1) << (bits - 1)) - 1;
    return v > most ? most : v < -most - 1 ? -most - 1 : v;
}

/* v 2^-n, rounded down. */
static inline int32_t ssm_floor32(int32_t v, int n)
{
    return v >> n;
}

/* v 2^-n, rounded down. */
static inline int64_t ssm_floor64(int64_t v, int n)
{
    return v >> n;
}

/* v 2^-n, rounded toward zero. */
static inline int32_t ssm_toward_zero32(int32_t v, int n)
{
    return (v + ((v >> 31) & (INT32_MAX >> (31 - n)))) >> n;
}

/* v 2^-n, rounded toward zero. */
static inline int64_t ssm_toward_zero64(int64_t v, int n)
{
    return (v + ((v >> 63) & (INT64_MAX >> (63 - n)))) >> n;
}

/* v 2^-n, rounded to the nearest, of two the even one. */
static inline int64_t ssm_nearest64(int64_t v, int n)
{
    const int64_t mask = INT64_MAX >> (63 - n), half = (mask >> 1) + 1;
    const int64_t floor = v >> n, rest = v & mask;
    return floor + (int64_t)((rest > half) | ((rest == half) & (floor & 1)));
}

/* v 2^-n, rounded to the nearest, of two the even one. */
static inline int32_t ssm_nearest32(int32_t v, int n)
{
    return (int32_t)ssm_nearest64(v, n);
}

/* (m x) 2^-p, rounded down: m times what of x is above p bits, and below, which is rounded. */
static inline int32_t ssm_product_floor32(int32_t m, int32_t x, int p)
{
    const int32_t mask = INT32_MAX >> (31 - p);
    return m * (x >> p) + ((m * (x & mask)) >> p);
}

/* (m x) 2^-p, rounded toward zero: m times what of x is above p bits, and below, which is rounded. */
static inline int32_t ssm_product_toward_zero32(int32_t m, int32_t x, int p)
{
    const int32_t mask = INT32_MAX >> (31 - p);
    return m * (x >> p) + ((m * (x & mask) + (((m >> 31) ^ (x >> 31)) & mask)) >> p);
}

/* (m x) 2^-p, rounded to the nearest, of two the even one: m times what of x is above p bits,
   and below, which is rounded. */
static inline int32_t ssm_product_nearest32(int32_t m, int32_t x, int p)
{
    const int32_t mask = INT32_MAX >> (31 - p);
    const int32_t high = m * (x >> p), low = m * (x & mask), floor = high + (low >> p);
    return high + ((low + (mask >> 1) + (floor & mask & 1)) >> p);
}

/* (m x) 2^-p, rounded down. */
static inline int64_t ssm_product_floor64(int64_t m, int64_t x, int p)
{
    return ssm_floor64(m * x, p);
}

/* (m x) 2^-p, rounded toward zero. */
static inline int64_t ssm_product_toward_zero64(int64_t m, int64_t x, int p)
{
    return ssm_toward_zero64(m * x, p);
}

/* (m x) 2^-p, rounded to the nearest, of two the even one. */
static inline int64_t ssm_product_nearest64(int64_t m, int64_t x, int p)
{
    return ssm_nearest64(m * x, p);
}

/* The highest bit of v > 0. */
static inline int ssm_highest_bit(int64_t v)
{
    int bit = 0;
    while (v >> (bit + 1)) {
        bit++;
    }
    return bit;
}

/* 2^18 / sqrt(v), v of at most 24 bits, by five steps of Newton's. */
static inline int64_t ssm_inverse_sqrt(int64_t v, const int32_t *table)
{
    int64_t factor = table[ssm_highest_bit(v)], y = factor / 2;
    for (int i = 0; i < 5; i++) {
        v = (((v * factor) >> 13) * factor) >> 13;
        factor = 12288 - v;
        y = (y * factor) >> 13;
    }
    return y;
}
