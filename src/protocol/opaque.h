// Opaque strings that clients keep and send back: signatures of thinking blocks (Anthropic) and
// encrypted_content of reasoning items (Responses). Nothing is secret or authentic about them; they
// are there because clients need them, and where a client does not keep the reasoning itself, they
// carry it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace hadal {

/// A short string that depends on nothing but the text.
std::string reasoning_signature(std::string_view reasoning);

/// The reasoning in base64, with a mark of ours in front.
std::string sealed_reasoning(std::string_view reasoning);

/// The reasoning of a string made by sealed_reasoning; nothing for any other string.
std::optional<std::string> unseal_reasoning(std::string_view sealed);

}  // namespace hadal
