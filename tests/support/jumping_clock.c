// SPDX-License-Identifier: Apache-2.0
/*
 * To be preloaded (LD_PRELOAD) into a program whose wall clock is to jump: it
 * is off by the number of seconds, a signed 64-bit integer, that the file
 * JUMPING_CLOCK holds at the moment. Other clocks go on as they are.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t* offset;

__attribute__((constructor)) static void map_offset(void) {
  const char* path = getenv("JUMPING_CLOCK");
  const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  void* data = mmap(NULL, sizeof(*offset), PROT_READ, MAP_SHARED, fd, 0);
  if (fd < 0 || data == MAP_FAILED) abort();
  close(fd);
  offset = data;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  const int done = (int)syscall(SYS_clock_gettime, clock, now);
  const int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  if (done == 0 && is_wall && offset) now->tv_sec += *offset;
  return done;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
  struct timespec precise;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &precise) != 0) return -1;
  now->tv_sec = precise.tv_sec;
  now->tv_usec = precise.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* at) {
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
