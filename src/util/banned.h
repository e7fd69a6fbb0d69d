/* SPDX-License-Identifier: ISC */
/* Functions nobody should call: included last by util.h, so that a use is a compile error. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat atoi atol atof gets strtok
#pragma GCC poison system popen mktemp tmpnam
