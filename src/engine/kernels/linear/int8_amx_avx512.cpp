// Integer products on the tile registers of AMX-INT8 (Intel SDM volume 1, chapter 18). The bits are
// those of kInt8Avx512; int8_amx_test.cpp runs all but the intrinsics on other CPUs.
#include "engine/kernels/linear/int8_simd.h"

#include <immintrin.h>

namespace hadal {
namespace {

/// LDTILECFG, palette 1.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

/// Tile 0: products; 1 and 2: tokens and weights of a block; 3 and 4: those of half a block.
struct AmxUnit {
  static constexpr bool kExists = true;

  /// Tile registers of this thread.
  struct Session {
    Session() {
      constexpr std::uint8_t kTokens = TokenRows::kTokens;
      TileConfig config;
      set(config, 0, kTokens, 64);
      set(config, 1, kTokens, kInt8Block);
      set(config, 2, kInt8Groups, 64);
      set(config, 3, kTokens, kInt8Block / 2);
      set(config, 4, kInt8Groups / 2, 64);
      // GCC's intrinsic names only the first 8 bytes as read (bits of them may be left unwritten).
      asm volatile("" : : "r"(&config) : "memory");
      _tile_loadconfig(&config);
    }
    ~Session() { _tile_release(); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

   private:
    static void set(TileConfig& config, std::size_t tile, std::uint8_t rows,
                    std::uint16_t row_bytes) {
      config.rows[tile] = rows;
      config.row_bytes[tile] = row_bytes;
    }
  };

  template <std::size_t K>
  static void multiply(const std::int8_t* tokens, const std::uint8_t* weights,
                       std::int32_t* products) {
    // Nor do the loads say that they read memory.
    asm volatile("" : : "r"(tokens), "r"(weights) : "memory");
    _tile_zero(0);
    if constexpr (K == kInt8Block) {
      _tile_loadd(1, tokens, kInt8Block);
      _tile_loadd(2, weights, 64);
      _tile_dpbsud(0, 1, 2);
    } else {
      static_assert(K == kInt8Block / 2);
      _tile_loadd(3, tokens, kInt8Block);
      _tile_loadd(4, weights, 64);
      _tile_dpbsud(0, 3, 4);
    }
    _tile_stored(0, products, 64);
  }
};

}  // namespace

const LinearKernels kInt8Amx = int8_kernels<AmxUnit>();

}  // namespace hadal
