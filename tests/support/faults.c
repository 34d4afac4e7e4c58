/* Makes calls to the file system fail, in a process that was started with LD_PRELOAD of this.
 *
 * FAULT_CALL   which: open, read, write, sync, close, rename, unlink, mkdir, size, map
 * FAULT_PATH   only on paths that hold this
 * FAULT_NUMBER the first, second, ... such call fails; 0: none, they are counted
 * FAULT_ERRNO  with this errno; 0: it does only a part of its work, as reads and writes may
 *
 * fault_begin() reads these again and begins to count; fault_count() says how many calls there were. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char wanted[32], part[512];
static long number, count;
static int error, ready;

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

void fault_begin(void)
{
    ready = 1;
    count = 0;
    snprintf(wanted, sizeof wanted, "%s", setting("FAULT_CALL"));
    snprintf(part, sizeof part, "%s", setting("FAULT_PATH"));
    number = atol(setting("FAULT_NUMBER"));
    error = atoi(setting("FAULT_ERRNO"));
}

long fault_count(void) { return count; }

/* Whether this call shall fail. */
static int fails(const char *call, const char *path)
{
    char whole[8192] = "";
    if (!ready) fault_begin();
    if (!*part || !path || strcmp(call, wanted)) return 0;
    if (*path != '/' && getcwd(whole, 4096)) strcat(whole, "/");
    strncat(whole, path, 4000);
    if (!strstr(whole, part)) return 0;
    if (__sync_add_and_fetch(&count, 1) != number) return 0;
    errno = error;
    return 1;
}

static int fails_on(const char *call, int fd)
{
    char link[64], path[4096];
    if (!ready) fault_begin();
    if (!*part || strcmp(call, wanted)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0 || *path != '/') return 0; /* a pipe */
    path[length] = 0;
    return fails(call, path);
}

#define REAL(name)                    \
    static __typeof__(&name) real;    \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
/* A part of the bytes, or none. */
#define MOVE(call, name, declared, rest)                                                      \
    ssize_t name declared                                                                     \
    {                                                                                         \
        REAL(name);                                                                           \
        if (fails_on(call, fd)) {                                                             \
            if (error) return -1;                                                             \
            size = size > 1 ? size / 2 : size;                                                \
        }                                                                                     \
        return real rest;                                                                     \
    }
#define SIMPLE(name, declared, rest, failed, test)          \
    name declared                                           \
    {                                                       \
        REAL(name);                                         \
        if (test) return failed;                            \
        return real rest;                                   \
    }

MOVE("read", read, (int fd, void *buffer, size_t size), (fd, buffer, size))
MOVE("read", pread, (int fd, void *buffer, size_t size, off_t at), (fd, buffer, size, at))
MOVE("read", pread64, (int fd, void *buffer, size_t size, off64_t at), (fd, buffer, size, at))
MOVE("write", write, (int fd, const void *buffer, size_t size), (fd, buffer, size))
MOVE("write", pwrite, (int fd, const void *buffer, size_t size, off_t at), (fd, buffer, size, at))
MOVE("write", pwrite64, (int fd, const void *buffer, size_t size, off64_t at), (fd, buffer, size, at))
ssize_t SIMPLE(preadv, (int fd, const struct iovec *v, int n, off_t at), (fd, v, n, at), -1, error && fails_on("read", fd))
ssize_t SIMPLE(preadv64, (int fd, const struct iovec *v, int n, off64_t at), (fd, v, n, at), -1,
               error && fails_on("read", fd))
int SIMPLE(fsync, (int fd), (fd), -1, fails_on("sync", fd))
int SIMPLE(fdatasync, (int fd), (fd), -1, fails_on("sync", fd))
int SIMPLE(rename, (const char *a, const char *b), (a, b), -1, fails("rename", a))
int SIMPLE(unlink, (const char *path), (path), -1, fails("unlink", path))
int SIMPLE(rmdir, (const char *path), (path), -1, fails("unlink", path))
int SIMPLE(mkdir, (const char *path, mode_t mode), (path, mode), -1, fails("mkdir", path))
int SIMPLE(ftruncate, (int fd, off_t size), (fd, size), -1, fails_on("size", fd))
int SIMPLE(ftruncate64, (int fd, off64_t size), (fd, size), -1, fails_on("size", fd))
int SIMPLE(fallocate64, (int fd, int mode, off64_t at, off64_t size), (fd, mode, at, size), -1, fails_on("size", fd))
int SIMPLE(posix_fallocate, (int fd, off_t at, off_t size), (fd, at, size), error, fails_on("size", fd))
int SIMPLE(posix_fallocate64, (int fd, off64_t at, off64_t size), (fd, at, size), error, fails_on("size", fd))
void *SIMPLE(mmap, (void *a, size_t n, int p, int f, int fd, off_t at), (a, n, p, f, fd, at), MAP_FAILED,
             fd >= 0 && fails_on("map", fd))
void *SIMPLE(mmap64, (void *a, size_t n, int p, int f, int fd, off64_t at), (a, n, p, f, fd, at), MAP_FAILED,
             fd >= 0 && fails_on("map", fd))

DIR *SIMPLE(opendir, (const char *path), (path), NULL, fails("open", path))

/* The file is closed all the same, as Linux does it. */
int close(int fd)
{
    REAL(close);
    const int failed = fails_on("close", fd), why = errno, result = real(fd);
    if (!failed) return result;
    errno = why;
    return -1;
}

int unlinkat(int folder, const char *path, int flags)
{
    REAL(unlinkat);
    char link[64], whole[8192] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    const ssize_t length = folder < 0 ? 0 : syscall(SYS_readlinkat, AT_FDCWD, link, whole, 4095);
    snprintf(whole + (length > 0 ? length : 0), 4096, "/%s", path);
    if (fails("unlink", whole)) return -1;
    return real(folder, path, flags);
}

#define OPEN(name, declared, ...)                                \
    int name declared                                            \
    {                                                            \
        REAL(name);                                              \
        mode_t mode = 0;                                         \
        if (flags & (O_CREAT | O_TMPFILE)) {                     \
            va_list rest;                                        \
            va_start(rest, flags);                               \
            mode = va_arg(rest, mode_t);                         \
            va_end(rest);                                        \
        }                                                        \
        if (fails("open", path)) return -1;                      \
        return real(__VA_ARGS__, mode);                          \
    }
OPEN(open, (const char *path, int flags, ...), path, flags)
OPEN(open64, (const char *path, int flags, ...), path, flags)
OPEN(openat, (int folder, const char *path, int flags, ...), folder, path, flags)
OPEN(openat64, (int folder, const char *path, int flags, ...), folder, path, flags)
