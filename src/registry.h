#ifndef JB_REGISTRY_H
#define JB_REGISTRY_H
/* All rows of the program, as the layers are given them. */
#include "model/feature.h"

extern const struct registry jb_registry;

#endif
