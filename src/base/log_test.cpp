#include "base/log.h"

#include <gtest/gtest.h>

#include <string>

namespace hadal {

TEST(Log, AMessageCannotForgeALine) {
  testing::internal::CaptureStderr();

  log_info("test", "path={}", "/a\nerror engine: all is lost\x1b[2J\x7f caf\xc3\xa9");

  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_NE(told.find("path=/a\\x0aerror engine: all is lost\\x1b[2J\\x7f caf\xc3\xa9\n"),
            std::string::npos)
      << told;
}

}  // namespace hadal
