/* The limit: workload A written for the processor at hand, with the random numbers of diffusion/kernels/random.py, so that
   the same seed gives the same draws and, to rounding, the same result.

   Lanes (replicas) innermost, time outside, as there; but draws, normals and update are fused in registers, and what a draw
   does not owe to the lane (its first rounds' second halves) leaves the loop over lanes. */

#include <stdint.h>
#include <stdlib.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define W 8 /* 64-bit lanes of a vector */
#elif defined(__AVX2__)
#include <immintrin.h>
#define W 4
#else
#define W 2
#endif

typedef uint64_t u64v __attribute__((vector_size(8 * W)));
typedef int64_t i64v __attribute__((vector_size(8 * W)));
typedef double f64v __attribute__((vector_size(8 * W)));
typedef uint32_t u32v __attribute__((vector_size(8 * W)));
typedef int32_t i32v __attribute__((vector_size(8 * W)));
typedef float f32v __attribute__((vector_size(8 * W)));

#define BLOCK 256
/* Everything is done for two vectors at a time: one waits for itself less often than the processor can look ahead. */
#define EACH for (int i = 0; i < 2; i++)
#define INLINE static inline __attribute__((always_inline))

/* What vector extensions do not say: a 32 x 32 to 64 bit product of low halves, two low halves as one word, a
   square root, the low halves of two vectors side by side, and the halves of a vector of floats, widened. `pack` puts the halves in
   order if the two vectors hold LANES and LANES + 2. */
#if W == 8
INLINE u64v product(u64v a, u64v b) { return (u64v)_mm512_mul_epu32((__m512i)a, (__m512i)b); }
INLINE u64v join(u64v high, u64v low) { return (u64v)_mm512_mask_blend_epi32(0x5555, (__m512i)(high << 32), (__m512i)low); }
INLINE f64v root(f64v x) { return (f64v)_mm512_sqrt_pd((__m512d)x); }
INLINE f32v root_32(f32v x) { return (f32v)_mm512_sqrt_ps((__m512)x); }
INLINE u32v pack(u64v a, u64v b) { return (u32v)_mm512_shuffle_ps((__m512)a, (__m512)b, 0x88); }
INLINE f64v low(f32v x) { return (f64v)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)x)); }
INLINE f64v high(f32v x) { return (f64v)_mm512_cvtps_pd(_mm256_castpd_ps(_mm512_extractf64x4_pd((__m512d)x, 1))); }
#define LANES {0, 1, 4, 5, 8, 9, 12, 13}
#define IN_ORDER {0, 1, 2, 3, 4, 5, 6, 7}
#elif W == 4
INLINE u64v product(u64v a, u64v b) { return (u64v)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
INLINE u64v join(u64v high, u64v low) { return (u64v)_mm256_blend_epi32((__m256i)(high << 32), (__m256i)low, 0x55); }
INLINE f64v root(f64v x) { return (f64v)_mm256_sqrt_pd((__m256d)x); }
INLINE f32v root_32(f32v x) { return (f32v)_mm256_sqrt_ps((__m256)x); }
INLINE u32v pack(u64v a, u64v b) { return (u32v)_mm256_shuffle_ps((__m256)a, (__m256)b, 0x88); }
INLINE f64v low(f32v x) { return (f64v)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)x)); }
INLINE f64v high(f32v x) { return (f64v)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)x, 1)); }
#define LANES {0, 1, 4, 5}
#define IN_ORDER {0, 1, 2, 3}
#else
INLINE u64v product(u64v a, u64v b) { return (a & 0xFFFFFFFF) * (b & 0xFFFFFFFF); }
INLINE u64v join(u64v high, u64v low) { return high << 32 | (low & 0xFFFFFFFF); }
INLINE f64v root(f64v x)
{
    for (int i = 0; i < W; i++) x[i] = __builtin_sqrt(x[i]);
    return x;
}
INLINE f32v root_32(f32v x)
{
    for (int i = 0; i < 2 * W; i++) x[i] = __builtin_sqrtf(x[i]);
    return x;
}
INLINE u32v pack(u64v a, u64v b) { return (u32v){(uint32_t)a[0], (uint32_t)a[1], (uint32_t)b[0], (uint32_t)b[1]}; }
INLINE f64v low(f32v x) { return (f64v){x[0], x[1]}; }
INLINE f64v high(f32v x) { return (f64v){x[2], x[3]}; }
#define LANES {0, 1}
#define IN_ORDER {0, 1}
#endif

/* Philox4x32-7 of the counter (replica, iteration, substep 0, stream 0 and group): four words, in low halves, for each of
   two vectors of replicas. */
INLINE void philox(const u64v *replica, uint64_t iteration, uint64_t group, uint64_t seed, u64v words[4][2])
{
    const u64v zero = {0};
    u64v c0[2], c1[2], c2[2], c3[2], p0[2], p1[2];
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    EACH c0[i] = replica[i], c1[i] = zero + iteration, c2[i] = zero, c3[i] = zero + group;
    for (int round = 0; round < 7; round++) {
        EACH p0[i] = product(c0[i], zero + 0xD2511F53), p1[i] = product(c2[i], zero + 0xCD9E8D57);
        EACH c0[i] = (p1[i] >> 32) ^ c1[i] ^ (zero + k0), c1[i] = p1[i];
        EACH c2[i] = (p0[i] >> 32) ^ c3[i] ^ (zero + k1), c3[i] = p0[i];
        k0 += 0x9E3779B9, k1 += 0xBB67AE85;
    }
    EACH words[0][i] = c0[i], words[1][i] = c1[i], words[2][i] = c2[i], words[3][i] = c3[i];
}

/* c[0] + z (c[1] + z (...)), Horner's rule. */
#define POLYNOMIAL(type, name, degree, c, z)                                                                               \
    type name[2];                                                                                                          \
    EACH name[i] = c[degree - 1] + z[i] * c[degree];                                                                       \
    for (int k = degree - 2; k >= 0; k--) EACH name[i] = c[k] + z[i] * name[i];

static const double LOG[] = {2.0000000000000004, 0.6666666666655292, 0.40000000061741614, 0.2857141602110767,
                             0.22223434547517906, 0.18121934431215214, 0.16837659970680488};
static const double SIN[] = {1.0, -0.16666666666666616, 0.008333333333320363, -0.000198412698286503,
                             2.755731337640013e-06, -2.5050716974102745e-08, 1.5894736651849094e-10};
static const double COS[] = {1.0, -0.4999999999999925, 0.041666666666472306, -0.0013888888869978658,
                             2.4801578538562985e-05, -2.755523388484742e-07, 2.0630454379662294e-09};
#define LN2 0.6931471805599453
#define HALF_PI 1.5707963267948966
#define ONE 0x3FF0000000000000
#define ROOT_HALF 0x3FE6A09E667F3BCD
#define MANTISSA 0x000FFFFFFFFFFFFF

/* Two standard normals from a pair of 64-bit words. */
INLINE void box_muller(const u64v *word, const u64v *sign, f64v first[2], f64v second[2])
{
    u64v shifted[2];
    f64v e[2], m[2], s[2], ss[2], radius[2], y[2], z[2];
    EACH shifted[i] = (u64v)(2.0 - (f64v)((word[i] >> 12) | ONE)) + (ONE - ROOT_HALF);
    EACH e[i] = (f64v)((shifted[i] >> 52) | 0x4330000000000000) - (4503599627370496.0 + 1023);
    EACH m[i] = (f64v)((shifted[i] & MANTISSA) + ROOT_HALF);
    EACH s[i] = (m[i] - 1.0) / (m[i] + 1.0);
    EACH ss[i] = s[i] * s[i];
    POLYNOMIAL(f64v, log, 6, LOG, ss)
    EACH radius[i] = root(-(e[i] * LN2 + s[i] * log[i]));
    EACH y[i] = ((f64v)((sign[i] >> 12) | ONE) - 1.5) * HALF_PI;
    EACH z[i] = y[i] * y[i];
    POLYNOMIAL(f64v, sine, 6, SIN, z)
    POLYNOMIAL(f64v, cosine, 6, COS, z)
    EACH first[i] = (f64v)((u64v)(radius[i] * (cosine[i] - y[i] * sine[i])) ^ (sign[i] << 63));
    EACH second[i] = (f64v)((u64v)(radius[i] * (cosine[i] + y[i] * sine[i])) ^ (sign[i] << 62 & (uint64_t)1 << 63));
}

static const float LOG_32[] = {1.9999999986313182f, 0.6666681533815119f, 0.3997485051751905f, 0.29924390479144986f};
static const float SIN_32[] = {0.9999999969177036f, -0.16666650673996775f, 0.00833203578559731f,
                               -0.000195039042508408f};
static const float COS_32[] = {0.9999999723284944f, -0.4999985641918218f, 0.04165501492488376f,
                               -0.0013585779264842408f};

/* Two standard normals from a pair of 32-bit words. */
INLINE void box_muller_32(const u32v *word, const u32v *sign, f32v first[2], f32v second[2])
{
    i32v shifted[2];
    f32v e[2], m[2], s[2], ss[2], square[2], radius[2], y[2], z[2];
    EACH shifted[i] = (i32v)((__builtin_convertvector((i32v)(word[i] >> 1), f32v) + 0.5f) * 0x1p-31f);
    EACH shifted[i] += 0x3F800000 - 0x3F3504F3;
    EACH e[i] = __builtin_convertvector((shifted[i] >> 23) - 127, f32v);
    EACH m[i] = (f32v)((shifted[i] & 0x007FFFFF) + 0x3F3504F3);
    EACH s[i] = (m[i] - 1.0f) / (m[i] + 1.0f);
    EACH ss[i] = s[i] * s[i];
    POLYNOMIAL(f32v, log, 3, LOG_32, ss)
    EACH square[i] = -(e[i] * 0.6931471805599453f + s[i] * log[i]);
    EACH radius[i] = root_32((f32v)((i32v)square[i] & ~((i32v)square[i] >> 31))); /* at least 0 */
    EACH y[i] = __builtin_convertvector((i32v)sign[i], f32v) * (float)(HALF_PI / 2 * 0x1p-31);
    EACH z[i] = y[i] * y[i];
    POLYNOMIAL(f32v, sine, 3, SIN_32, z)
    POLYNOMIAL(f32v, cosine, 3, COS_32, z)
    EACH first[i] = (f32v)((u32v)(radius[i] * (cosine[i] - y[i] * sine[i])) ^ sign[i] << 31);
    EACH second[i] = (f32v)((u32v)(radius[i] * (cosine[i] + y[i] * sine[i])) ^ (sign[i] << 30 & 0x80000000));
}

/* One step of Styblinski-Tang, 2 x^3 - 16 x + 2.5. */
INLINE f64v moved(f64v x, f64v xi, double lr, double deviation)
{
    return x - lr * (x * (2.0 * x * x - 16.0) + 2.5 + deviation * xi);
}

/* Add the squared displacements of the lanes that have a replica to msd. */
static void record(const double *x, int64_t d, int64_t replicas, double start, double *msd)
{
    int64_t live = replicas < BLOCK ? replicas : BLOCK;
    for (int64_t j = 0; j < d; j++) {
        f64v sums = {0};
        int64_t lane = 0;
        for (; lane + W <= live; lane += W) {
            f64v displacement = *(const f64v *)(x + j * BLOCK + lane) - start;
            sums += displacement * displacement;
        }
        for (int64_t i = 0; i < W; i++) msd[j] += sums[i];
        for (; lane < live; lane++) msd[j] += (x[j * BLOCK + lane] - start) * (x[j * BLOCK + lane] - start);
    }
}

/* Two rows of coordinates, moved by the normals from two rows of 64-bit words. */
INLINE void move_float64(f64v *x, f64v *next, const u64v *word, const u64v *sign, double lr, double deviation)
{
    for (int k = 0; k < BLOCK / W; k += 2) {
        f64v first[2], second[2];
        box_muller(word + k, sign + k, first, second);
        EACH x[k + i] = moved(x[k + i], first[i], lr, deviation);
        EACH next[k + i] = moved(next[k + i], second[i], lr, deviation);
    }
}

/* The same from 32-bit words. */
INLINE void move_mixed(f64v *x, f64v *next, const u32v *word, const u32v *sign, double lr, double deviation)
{
    for (int k = 0; k < BLOCK / W; k += 4) {
        f32v first[2], second[2];
        box_muller_32(word + k / 2, sign + k / 2, first, second);
        EACH x[k + 2 * i] = moved(x[k + 2 * i], low(first[i]), lr, deviation);
        EACH x[k + 2 * i + 1] = moved(x[k + 2 * i + 1], high(first[i]), lr, deviation);
        EACH next[k + 2 * i] = moved(next[k + 2 * i], low(second[i]), lr, deviation);
        EACH next[k + 2 * i + 1] = moved(next[k + 2 * i + 1], high(second[i]), lr, deviation);
    }
}

/* One iteration of a block. */
INLINE void step_float64(f64v *x, int64_t d, uint64_t begin, uint64_t t, uint64_t seed, double lr, double deviation)
{
    u64v rows[2][BLOCK / W], words[4][2];
    for (int64_t j = 0; j < d; j += 2) {
        u64v replica[2] = {(u64v)IN_ORDER + begin, (u64v)IN_ORDER + begin + W};
        for (int k = 0; k < BLOCK / W; k += 2) {
            philox(replica, t, j / 2, seed, words);
            EACH rows[0][k + i] = join(words[0][i], words[1][i]), rows[1][k + i] = join(words[2][i], words[3][i]);
            EACH replica[i] += 2 * W;
        }
        f64v *here = x + j * BLOCK / W;
        move_float64(here, here + BLOCK / W, rows[0], rows[1], lr, deviation); /* of an odd d, into a spare row */
    }
}

INLINE void step_mixed(f64v *x, int64_t d, uint64_t begin, uint64_t t, uint64_t seed, double lr, double deviation)
{
    u32v rows[4][BLOCK / (2 * W)];
    u64v words[4][2];
    for (int64_t j = 0; j < d; j += 4) {
        u64v replica[2] = {(u64v)LANES + begin, (u64v)LANES + begin + 2};
        for (int k = 0; k < BLOCK / (2 * W); k++) {
            philox(replica, t, j / 4, seed, words);
            for (int word = 0; word < 4; word++) rows[word][k] = pack(words[word][0], words[word][1]);
            EACH replica[i] += 2 * W;
        }
        for (int64_t first = j; first < j + 4 && first < d; first += 2) {
            f64v *here = x + first * BLOCK / W;
            move_mixed(here, here + BLOCK / W, rows[first - j], rows[first - j + 1], lr, deviation);
        }
    }
}

/* Sums of squared displacements every `every` iterations, into msd (iterations / every, d). */
#define RUN(name, step)                                                                                                    \
    void name(int64_t replicas, int64_t d, int64_t iterations, int64_t every, uint64_t seed, double start, double lr,      \
              double deviation, double *msd)                                                                               \
    {                                                                                                                      \
        f64v *x = aligned_alloc(64, sizeof(double) * (d + 1) * BLOCK);                                                     \
        for (int64_t begin = 0; begin < replicas; begin += BLOCK) {                                                        \
            for (int64_t k = 0; k < (d + 1) * BLOCK / W; k++) x[k] = (f64v){0} + start;                                    \
            for (int64_t t = 1; t <= iterations; t++) {                                                                    \
                step(x, d, begin, t, seed, lr, deviation);                                                                 \
                if (t % every == 0) record((double *)x, d, replicas - begin, start, msd + (t / every - 1) * d);            \
            }                                                                                                              \
        }                                                                                                                  \
        free(x);                                                                                                           \
    }

RUN(run_float64, step_float64)
RUN(run_mixed, step_mixed)
