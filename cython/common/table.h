/* The kernels of an extension as a table of functions, one per instruction set it is compiled for.
 *
 * The C file, compiled once per instruction set (VL, VARIANT), defines `const TYPE FUNCTIONS(NAME) = {...}`; the
 * extension declares KERNEL_TABLES(TYPE, NAME) and calls NAME_for(level), the best table up to that level. */
#ifndef HPCDVC_TABLE_H
#define HPCDVC_TABLE_H

#define JOINED_(a, b) a##_##b
#define JOINED(a, b) JOINED_(a, b)
#define FUNCTIONS(NAME) JOINED(NAME, VARIANT)

#ifdef HPCDVC_WITH_V3
#define IF_V3(code) code
#else
#define IF_V3(code)
#endif
#ifdef HPCDVC_WITH_V4
#define IF_V4(code) code
#else
#define IF_V4(code)
#endif

#define KERNEL_TABLES(TYPE, NAME)                                                                                      \
    extern const TYPE NAME##_v1;                                                                                       \
    IF_V3(extern const TYPE NAME##_v3;)                                                                                \
    IF_V4(extern const TYPE NAME##_v4;)                                                                                \
    static inline const TYPE *NAME##_for(int level)                                                                    \
    {                                                                                                                  \
        IF_V4(if (level >= 4) return &NAME##_v4;)                                                                      \
        IF_V3(if (level >= 3) return &NAME##_v3;)                                                                      \
        return (void)level, &NAME##_v1;                                                                                \
    }

#endif
