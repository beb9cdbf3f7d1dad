// The page in the browser: the built files of web/, which are part of the program.
#pragma once

#include "serve/router.h"

namespace hadal {

/// GET / and its files. They come with an ETag and a policy that lets the page load nothing from
/// elsewhere. A program that was built without web/dist says so at /.
void add_page_routes(Router& router);

/// Whether a path needs no key: the page itself holds no secrets, and asks for the key.
bool is_page_path(std::string_view path);

}  // namespace hadal
