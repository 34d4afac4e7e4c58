/* Faults while files are read end the process with one prepared sentence, instead of a crash without a word.

   Two tables: mapped files, whose pages are gone when somebody truncates them, and files whose headers a library reads
   at this moment, which it may do for ever, or crash over. They are one list whose entries are used again and never
   freed: a signal handler can walk it at any time. */
#ifndef HPCDVC_GUARD_H
#define HPCDVC_GUARD_H

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GUARD_STACK (1 << 16) /* bytes: a library that recurses for ever leaves none to the handler */

typedef struct guard_text {
    char *bytes;
    size_t length;
} guard_text;

typedef struct guard_entry {
    struct guard_entry *next;
    volatile int used;
    uintptr_t start, end;      /* of a mapping; 0 of a reading */
    pthread_t reader;          /* of a reading */
    unsigned long depth;       /* of a reading: the innermost of a thread tells */
    guard_text fault, late;    /* what is written */
    void *own_stack;
#ifdef __linux__
    timer_t timer;
    int timed;
#endif
} guard_entry;

static guard_entry *guard_entries;
static pthread_mutex_t guard_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long guard_depth;
static struct timespec guard_delay;
static int (*guard_abort)(uintptr_t communicator, int code); /* MPI_Abort, or NULL */
static uintptr_t guard_communicator;
static struct sigaction guard_before[3];
static const int guard_signals[3] = {SIGSEGV, SIGBUS, SIGXCPU};

static void guard_leave(int number)
{
    (void)number;
    _exit(1);
}

/* Only functions that POSIX allows in a handler, but for MPI_Abort: launchers do not agree on how a job ends of which a
   process just leaves. It has two seconds, and this thread is not within MPI. */
static void guard_end(const guard_text *text)
{
    nanosleep(&guard_delay, NULL); /* the first rank that speaks has ended the others before their turn comes */
    for (size_t done = 0; done < text->length;) {
        ssize_t count = write(2, text->bytes + done, text->length - done);
        if (count <= 0) break;
        done += (size_t)count;
    }
    if (guard_abort) {
        const struct timespec reading = {0, 200000000}; /* launchers drop output that they have not yet read */
        sigset_t alarm_only;
        nanosleep(&reading, NULL);
        signal(SIGALRM, guard_leave);
        sigemptyset(&alarm_only);
        sigaddset(&alarm_only, SIGALRM);
        pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
        alarm(2);
        guard_abort(guard_communicator, 1);
    }
    _exit(1);
}

static void guard_handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (number == SIGXCPU) {
        if (info->si_code == SI_TIMER) {
            const guard_entry *entry = info->si_value.sival_ptr;
            if (entry->used) guard_end(&entry->late);
            return; /* it came while the reading ended */
        }
    } else {
        uintptr_t at = (uintptr_t)info->si_addr;
        const guard_entry *found = NULL;
        for (const guard_entry *entry = guard_entries; entry; entry = entry->next) {
            if (!entry->used) continue;
            if (entry->start <= at && at < entry->end) guard_end(&entry->fault);
            if (!entry->end && pthread_equal(entry->reader, pthread_self()) && (!found || entry->depth > found->depth))
                found = entry;
        }
        if (found) guard_end(&found->fault);
    }
    /* not ours: who was asked before is asked, where nobody sent the signal by the same instruction again */
    for (int k = 0; k < 3; k++)
        if (guard_signals[k] == number) sigaction(number, &guard_before[k], NULL);
    if (number == SIGXCPU || info->si_code <= 0) raise(number);
}

/* Handlers that others have set since then, as MPI libraries do, are asked after ours. */
static void guard_install(void)
{
    for (int k = 0; k < 3; k++) {
        struct sigaction now;
        if (sigaction(guard_signals[k], NULL, &now)) continue;
        if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == guard_handler) continue;
        guard_before[k] = now;
        now.sa_sigaction = guard_handler;
        now.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigemptyset(&now.sa_mask);
        sigaction(guard_signals[k], &now, NULL);
    }
}

static int guard_copy(guard_text *text, const char *bytes, size_t length)
{
    char *copy = realloc(text->bytes, length ? length : 1);
    if (!copy) return 0;
    memcpy(copy, bytes, length);
    text->bytes = copy;
    text->length = length;
    return 1;
}

/* An entry with its sentences, not in use yet; NULL without memory. */
static guard_entry *guard_take(const char *fault, size_t fault_length, const char *late, size_t late_length)
{
    guard_entry *entry;
    pthread_mutex_lock(&guard_lock);
    guard_install();
    for (entry = guard_entries; entry && entry->used; entry = entry->next) {}
    if (!entry && (entry = calloc(1, sizeof *entry))) {
        entry->next = guard_entries;
        guard_entries = entry;
    }
    if (entry && !(guard_copy(&entry->fault, fault, fault_length) && guard_copy(&entry->late, late, late_length)))
        entry = NULL;
    if (entry) {
        entry->start = entry->end = 0;
        entry->reader = pthread_self();
        entry->depth = ++guard_depth;
        entry->own_stack = NULL;
    }
    return entry; /* the lock is kept until guard_use */
}

static void guard_use(guard_entry *entry)
{
    if (entry) entry->used = 1;
    pthread_mutex_unlock(&guard_lock);
}

/* A mapping of `size` bytes from `start` on: a fault there writes the sentence and ends the process. */
static guard_entry *guard_map(uintptr_t start, size_t size, const char *fault, size_t length)
{
    guard_entry *entry = guard_take(fault, length, "", 0);
    if (entry) {
        entry->start = start;
        entry->end = start + size;
    }
    guard_use(entry);
    return entry;
}

static void guard_unmap(guard_entry *entry)
{
    entry->used = 0;
}

/* A file that this thread reads from now on, within `seconds` of its CPU time; 0: without limit. */
static guard_entry *guard_begin(
    const char *fault, size_t fault_length, const char *late, size_t late_length, double seconds)
{
    guard_entry *entry = guard_take(fault, fault_length, late, late_length);
    if (entry) {
        stack_t stack;
        if (!sigaltstack(NULL, &stack) && (stack.ss_flags & SS_DISABLE) && (entry->own_stack = malloc(GUARD_STACK))) {
            stack.ss_sp = entry->own_stack;
            stack.ss_size = GUARD_STACK;
            stack.ss_flags = 0;
            sigaltstack(&stack, NULL);
        }
    }
    guard_use(entry);
#ifdef __linux__ /* elsewhere there are no timers of the CPU time of a thread, and no limit */
    if (entry) {
        struct sigevent event;
        struct itimerspec limit;
        memset(&event, 0, sizeof event);
        memset(&limit, 0, sizeof limit);
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGXCPU;
        event.sigev_value.sival_ptr = entry;
        limit.it_value.tv_sec = (time_t)seconds;
        limit.it_value.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9);
        entry->timed = seconds > 0 && !timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &entry->timer);
        if (entry->timed) timer_settime(entry->timer, 0, &limit, NULL);
    }
#else
    (void)seconds;
#endif
    return entry;
}

static void guard_finish(guard_entry *entry)
{
#ifdef __linux__
    if (entry->timed) timer_delete(entry->timer);
    entry->timed = 0;
#endif
    if (entry->own_stack) {
        stack_t stack;
        memset(&stack, 0, sizeof stack);
        stack.ss_flags = SS_DISABLE;
        stack.ss_size = GUARD_STACK;
        sigaltstack(&stack, NULL);
        free(entry->own_stack);
        entry->own_stack = NULL;
    }
    entry->used = 0;
}

/* Many processes: when this one speaks, and how it ends the others (an address, or 0). */
static void guard_ranks(double seconds, uintptr_t abort_address, uintptr_t communicator)
{
    guard_communicator = communicator;
    guard_abort = (int (*)(uintptr_t, int))abort_address;
    guard_delay.tv_sec = (time_t)seconds;
    guard_delay.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9);
}

#endif
